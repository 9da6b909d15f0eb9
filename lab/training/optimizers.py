"""Step sizes for fine-tuning: by layer, by time, and bounded together.

rate = warmup_cosine(1e-4, steps)
optimizer = LayerwiseAdamW(rate, factors=[1, 1, 3, 3], weight_decay=0.01)
optimizer.build([conv5_kernel, conv5_bias, fc6_kernel, fc6_bias])
update(optimizer, gradients, norm=1.0)
"""

import keras
import tensorflow as tf


class LayerwiseAdamW(keras.optimizers.Adam):
    """AdamW (Loshchilov and Hutter, 2019) in which each variable has a learning rate of its own.

    factors: of each variable `build` is called with, what the learning rate is multiplied by.
    weight_decay: of kernels, at their own rate, so that a factor of 0 leaves a layer as it is;
        biases never decay.

    All that a step changes is in the variables themselves and in `variables`.
    """

    # Not Keras's AdamW: that one decays all variables at the one rate.
    def __init__(self, learning_rate, factors, weight_decay=0.01):
        super().__init__(learning_rate)
        self.factors = tuple(factors)
        self.decay = weight_decay

    def build(self, variables):
        if len(variables) != len(self.factors):
            raise ValueError(
                f"LayerwiseAdamW: expected as many variables as factors, {len(self.factors)}, "
                f"found {len(variables)}"
            )
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        rate = learning_rate * self.factors[self._get_variable_index(variable)]
        if len(variable.shape) > 1:
            self.assign_sub(variable, variable * self.decay * rate)
        super().update_step(gradient, variable, rate)


def warmup_cosine(peak, steps, share=0.05):
    """The learning rate by step: up to `peak` in a straight line, then along a cosine to zero.

    share: how much of the `steps` goes up.
    """
    warmup = round(share * steps)
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    # Keras does not count the warm-up among `decay_steps`.
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )


def clipped(gradients, norm):
    """Gradients for `optimizer.apply`, scaled down together if their joint norm is above `norm`.

    Under tf.distribute they are the sum over the replicas first, as if one device had seen all;
    Keras's `global_clipnorm` would clip each replica's share of it.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync
    if replicas > 1:
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    gradients, _ = tf.clip_by_global_norm(gradients, norm)
    # `apply` sums over the replicas once more.
    return [gradient / replicas for gradient in gradients] if replicas > 1 else gradients


def update(optimizer, gradients, norm):
    """A step of `optimizer`, which is built, along gradients that are `clipped`.

    Keras's `apply` goes through memory a dozen times; compiled, it does so once, which takes a
    third of the time. But replicas cannot meet in compiled code.
    """
    if tf.distribute.has_strategy():
        optimizer.apply(clipped(gradients, norm))
    else:
        _compiled_update(optimizer, gradients, norm, tf.linalg.global_norm(gradients))


@tf.function(jit_compile=True, autograph=False)
def _compiled_update(optimizer, gradients, norm, found):
    optimizer.apply(tf.clip_by_global_norm(gradients, norm, use_norm=found)[0])
