"""The rights matrix: who may come through which door, tried out for every door, every right and every way to hold it."""
