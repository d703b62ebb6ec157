tools_sources =
