"""Images named or held by a table: CSV, TSV, JSON Lines or Parquet."""
