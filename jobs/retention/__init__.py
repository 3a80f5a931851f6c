"""How long jobs, their logs and their files are kept, and how the disk they took is given back."""
