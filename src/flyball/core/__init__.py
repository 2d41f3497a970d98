"""What every floor shares: errors, clock, ids, canonical JSON, durable files, failpoints, the executor port."""
