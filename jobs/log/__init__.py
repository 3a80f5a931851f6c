"""The log store: lines in, compressed chunks in the database, lines out."""
