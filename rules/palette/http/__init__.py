"""HTTP for the operation ``http``: what is asked, what came back, and what went wrong."""
