models_sources =
