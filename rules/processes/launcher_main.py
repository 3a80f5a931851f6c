"""Entry of the launcher process: finds its own package without anybody's path, site or environment."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Three directories up; ``os`` is loaded anyway, ``pathlib`` would cost a fifth of the start.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120
    from rules.processes.launcher import main

    main()
