"""A linear layer under mean cross-entropy, its gradient written down, in memory that stays."""

import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

CPU_ROWS = 512  # whose logits stay in the processor's cache from one pass over them to the next


class SoftmaxLayer:
    """Logits are batch @ weight.T + bias; `backward` leaves the gradients for an optimiser.

    Of the mean cross-entropy over b rows the gradient by the logits is G = (softmax - target) / b,
    by the weight G.T @ batch, by the bias the sum of G over rows. Written down, a step is its two
    matrix products and one pass over the logits; autograd's would ask the system for fresh memory
    of a batch's size several times a step.

    Attributes:
        weight: One row a class; its `grad` is overwritten by every `backward`.
        bias: One value a class; as the weight.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, rows: int) -> None:
        """Take the start, and memory for batches of at most so many rows."""
        self.weight, self.bias = weight, bias
        weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
        self._logits = weight.new_empty(rows, len(weight))
        self._step = CPU_ROWS if weight.device.type == "cpu" else rows

    def backward(
        self, batch: Float32[Tensor, "b d"], targets: Shaped[Tensor, "b *c"]
    ) -> Float32[Tensor, ""]:
        """Set the gradients of the mean loss; return the sum of the rows' losses, on the device.

        Args:
            batch: Standardised rows.
            targets: Classes [b], or probabilities [b c] that add up to 1.
        """
        weight_grad, bias_grad = self.weight.grad, self.bias.grad
        assert weight_grad is not None
        assert bias_grad is not None
        logits = torch.mm(batch, self.weight.T, out=self._logits[: len(batch)])
        total = bias_grad.new_zeros(())
        bias_grad.zero_()
        parts = zip(logits.split(self._step), targets.split(self._step), strict=True)
        for part, wanted in parts:
            part += self.bias
            total += _softmax_minus(part, wanted)
            bias_grad += part.sum(dim=0)
        share = 1 / len(batch)
        torch.addmm(weight_grad, logits.T, batch, beta=0, alpha=share, out=weight_grad)
        bias_grad *= share
        return total


def _softmax_minus(logits: Tensor, targets: Tensor) -> Tensor:
    """Turn logits into softmax - target in place; return the sum of the losses."""
    log_share = torch.log_softmax(logits, dim=1)
    torch.exp(log_share, out=logits)
    if targets.ndim == 2:
        logits -= targets
        return -log_share.mul_(targets).sum()
    column = targets[:, None]
    of_target = log_share.gather(1, column)
    logits.scatter_(1, column, of_target.expm1())
    return -of_target.sum()
