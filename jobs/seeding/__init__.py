"""A made-up past: many jobs, skewed as real ones are, for measuring and trying out."""
