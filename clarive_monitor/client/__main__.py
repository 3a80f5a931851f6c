"""``python -m clarive_monitor.client``: the same as the command ``clarive``."""

from clarive_monitor.client.main import main

if __name__ == "__main__":
    main()
