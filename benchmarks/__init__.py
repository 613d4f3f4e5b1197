"""How good and how fast is it, measured?  `python -m benchmarks.NAME` prints a table and writes results/NAME.json."""
