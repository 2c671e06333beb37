"""Health and status: `collect` reads, `snapshot` holds what it read, `judge` decides."""
