"""Feature stores on disk: Zarr, sharded, checksummed, verified on every read."""
