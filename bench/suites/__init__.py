"""What is measured: each module has ``figures(bench)``, which yields them as they are known."""
