"""What scores need besides features: neighbours, Gaussians, subspaces, the fitted artefact."""
