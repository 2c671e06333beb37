"""Health and status: `collect` reads, `snapshot` holds the result, `judge` decides."""
