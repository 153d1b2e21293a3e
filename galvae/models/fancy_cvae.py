"""The conditional VAE that also predicts its condition."""

import keras
from keras import ops

from galvae.models.cvae import CVAE
from galvae.models.networks.build import build_encoder


class FancyCVAE(CVAE):
    """A `CVAE` with one more term: the squared error of a predicted condition.

    As published ("published"), the prediction is a linear function of the decoder's input. That input holds
    the condition itself, so that the prediction is a copy that cannot be wrong. By default ("image") a
    network of the encoder's layers predicts from the decoded image alone: the error then says whether
    redshift can be read off the galaxies that the decoder draws, and its gradient asks the decoder for it.
    `predict_condition` applies the same network to any image, real ones included.

    The term, `condition_error`, is the squared error summed over the condition's columns, in the scaled
    condition's units.

    Args:
        prediction: "image" or "published".
        prediction_weight: factor of the term in the loss; 1000 with raw redshifts as published.
        **kwargs: as of `CVAE`.

    Reference:
        "fancy_cvae" of vae-project.
    """

    def __init__(self, *args, prediction="image", prediction_weight=1.0, name="fancy_cvae", **kwargs):
        self.prediction = prediction
        self.prediction_weight = prediction_weight
        super().__init__(*args, name=name, **kwargs)

    @property
    def terms(self):
        return [*super().terms, "condition_error"]

    def add_code_layers(self):
        super().add_code_layers()
        if self.prediction == "image":
            self.predictor = build_encoder(self.image_shape, self.network, name="predictor")
        self.prediction_head = keras.layers.Dense(self.condition_dim, dtype="float32", name="prediction")

    def reconstruct(self, inferred, codes):
        outputs = super().reconstruct(inferred, codes)
        if self.prediction == "image":
            predicted = self.scaled_prediction(ops.sigmoid(outputs["logits"]))
        else:
            predicted = self.prediction_head(outputs["vectors"])
        return {**outputs, "predicted": predicted}

    def scaled_prediction(self, target):
        return self.prediction_head(self.predictor(target))

    def predict_condition(self, images):
        """Condition that the images show, (B, K) in physical units; None for the published form.

        Args:
            images: (B, H, W, C) as stored.
        """
        if self.prediction == "published":
            return None
        return self.physical_condition(self.scaled_prediction(self.scaling(images)))

    def loss_terms(self, outputs):
        error = ops.sum(ops.square(outputs["predicted"] - outputs["condition"]), axis=-1)
        return {**super().loss_terms(outputs), "condition_error": error}

    def total_loss(self, terms, training):
        return super().total_loss(terms, training) + self.prediction_weight * terms["condition_error"]

    def get_config(self):
        return {
            **super().get_config(),
            "prediction": self.prediction,
            "prediction_weight": self.prediction_weight,
        }
