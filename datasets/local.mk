datasets_sources =
