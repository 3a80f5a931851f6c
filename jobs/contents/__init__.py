"""What a job carries, settled on the worker when PRE begins: changed paths, commits, natures."""
