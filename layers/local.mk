layers_sources =
