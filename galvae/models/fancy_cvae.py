"""The conditional VAE that also predicts its condition."""

import keras
from keras import ops

from galvae.models.cvae import CVAE
from galvae.models.networks.build import build_encoder


class FancyCVAE(CVAE):
    """A conditional VAE whose objective has one more term: the squared error of a predicted condition.

    In the published form ("published"), the prediction is a linear function of the decoder's input. That input
    contains the condition itself, so that the prediction is a copy that cannot be wrong. In the default form
    ("image"), a network of the encoder's layers predicts from an image alone, from the decoded one and from the
    real one: the real one teaches it what redshift looks like, and the gradient of the decoded one makes the decoder
    show it. Trained on decoded images alone, decoder and network agree on signs that no real galaxy has, and the
    network is useless on real images.

    The term, `condition_error`, is the squared error summed over the condition's columns, in the scaled
    condition's units; in the default form, the mean of those on the decoded and on the real image. Over the columns of
    a class that is Brier's score, whose minimum are the probabilities of the classes.

    Args:
        prediction: "image" or "published".
        prediction_weight: factor of the term in the loss; 1000 with raw redshifts in the published form.
        **kwargs: see `CVAE`.

    Reference:
        "fancy_cvae" of vae-project; Brier 1950, Monthly Weather Review 78, 1 (the score of predicted classes).
    """

    def __init__(self, *args, prediction="image", prediction_weight=1.0, name="fancy_cvae", **kwargs):
        self.prediction = prediction
        self.prediction_weight = prediction_weight
        super().__init__(*args, name=name, **kwargs)

    @classmethod
    def options(cls, config, condition_dim):
        return {
            **super().options(config, condition_dim),
            "prediction": config.model.prediction,
            "prediction_weight": config.model.prediction_weight,
        }

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
            images = ops.sigmoid(outputs["logits"]), outputs["target"]
            predicted = [self.predict_from_image(image) for image in images]
        else:
            predicted = [self.prediction_head(outputs["decoder_input"])]
        # (B, P, K): of the default form, P is 2, from the decoded and from the real image.
        return {**outputs, "predicted": ops.stack(predicted, axis=1)}

    def predict_from_image(self, target):
        """Conditions (B, K), in the units of the network, predicted from images (B, H, W, C) in network units."""
        return self.prediction_head(self.predictor(target))

    def predict_condition(self, images, codes, condition):
        """Conditions of galaxies that the model predicts, (B, K) in physical units.

        Args:
            images: (B, H, W, C) as stored, from which the default form predicts.
            codes: (B, latent_dim), from which, with the condition, the published form predicts.
            condition: (B, K) in physical units.
        """
        if self.prediction == "image":
            predicted = self.predict_from_image(self.scaling(images))
        else:
            predicted = self.prediction_head(self.decoder_input(codes, self.scaled_condition(condition)))
        return self.physical_condition(predicted)

    def loss_terms(self, outputs):
        errors = ops.sum(ops.square(outputs["predicted"] - outputs["condition"][:, None]), axis=-1)
        return {**super().loss_terms(outputs), "condition_error": ops.mean(errors, axis=-1)}

    def total_loss(self, terms, training):
        return super().total_loss(terms, training) + self.prediction_weight * terms["condition_error"]
