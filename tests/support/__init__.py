"""What several tests use: commands in processes, tables made for a purpose."""
