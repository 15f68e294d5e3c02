"""The text side: names of classes, prompts, class embeddings, negative words."""
