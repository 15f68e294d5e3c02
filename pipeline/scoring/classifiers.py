"""Which ID class an image is taken for: by its text, its neighbours, or a head."""

import numpy as np
from jaxtyping import Int64

from pipeline.classifier_names import KNN, ZERO_SHOT
from pipeline.detectors.knn_classifier import NEIGHBOURS, knn_predictions
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.products import row_products


def predict(query: Query, classifier: str) -> Int64[np.ndarray, " n"]:
    """Class of each image: nearest text, vote of 20 neighbours, or largest logit of a head.

    Raises:
        NotApplicableError: If this backbone or this bank has no such classifier.
    """
    if classifier == ZERO_SHOT:
        return row_products(query.embeddings, query.class_embeddings.T).argmax(axis=1)
    if classifier != KNN:
        return query.logits(classifier).argmax(axis=1)
    if query.search.others < NEIGHBOURS:
        raise NotApplicableError(
            f"{NEIGHBOURS} neighbours vote, but the bank has {query.search.others} images to "
            "compare with"
        )
    bank_labels = query.search.bank.labels
    if (bank_labels < 0).any():
        raise NotApplicableError("the bank has unlabelled images")
    found = query.neighbours(NEIGHBOURS)
    return knn_predictions(found.similarities, bank_labels[found.rows])
