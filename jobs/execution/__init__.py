"""What a runner needs to run a step: its host, its checkpoints, its lease, its directory."""
