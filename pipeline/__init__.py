"""The library behind the stages: pure functions over arrays, and one door to each outside world.

Words, the same in code, files and tables:

- ``id`` / ``ood``: in-distribution / out-of-distribution; a suffix (``scores_id``, ``scores_ood``).
- ``score``: one float per image, higher = more in-distribution; ID is the positive class.
- ``backbone``: a key of the backbone table (``vit_h``).
- ``features`` ``[n d]``: image tower before the projection; what a probe and a bank use.
- ``embeddings`` ``[n e]``: unit vectors in the joint image-text space; what text compares with.
- ``class_embeddings`` ``[c e]``: prompt-averaged text vectors, unit norm.
- ``bank`` ``[m d]``: ID training features that scores compare with.
- ``labels`` / ``pseudo_labels``: ground truth / argmax against the class embeddings.
- ``probe``, ``logits`` ``[n c]``: a linear layer on features, and its output.
"""
