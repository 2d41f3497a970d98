"""The tables of `benchmarks.honesty`: real ones, generated clean ones, and ones with something planted."""
