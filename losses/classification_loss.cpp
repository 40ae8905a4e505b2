// Almost all cells of the [S, R, C] logits are background, a handful are matched. So the loss and its derivative are
// computed for background everywhere, then overwritten at the matched cells. Both kinds are families:
//
//   background   weight · p^gamma · BCE(x, 0)              with or without a gradient through p^gamma
//   matched      constant weight · BCE(x, t)               or the focal weight (1 - p)^gamma
//
// where p = sigmoid(x), BCE(x, t) = log(1 + e^x) - t x, its derivative p - t.

#include "losses/classification_loss.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include "core/tensor/check.h"

namespace rtdetr {
namespace {

struct Elements {
  Tensor loss;
  Tensor derivative;  ///< of the loss by the logit
};

struct Background {
  double weight = 1;
  double gamma = 0;
  bool weight_gradient = false;
};

Background background_of(const CriterionOptions& options) {
  switch (options.class_loss) {
    case ClassLoss::kVarifocal:
      return {options.vfl_alpha, options.vfl_gamma, options.vfl_weight_gradient};
    case ClassLoss::kMal:
      return {options.mal_alpha, options.mal_gamma, false};
    case ClassLoss::kFocal:
      return {1 - options.focal_alpha, options.focal_gamma, true};
    case ClassLoss::kBce:
    case ClassLoss::kSoftBce:
      return {1, 0, false};
  }
  throw InternalError("unknown class loss");
}

/// log(1 + e^x) without overflow, relatively exact also for x << 0.
Tensor log1p_exp(const Tensor& x) { return torch::log_sigmoid(-x).neg_(); }

Elements background_loss(const Tensor& x, const Background& background) {
  const Tensor p = torch::sigmoid(x);
  const Tensor bce = log1p_exp(x);
  const Tensor weight = p.pow(background.gamma).mul_(background.weight);
  Elements elements{weight * bce, weight * p};
  if (background.weight_gradient) {
    elements.derivative.add_((elements.loss * (1 - p)).mul_(background.gamma));
  }
  return elements;
}

Elements focal_loss_of_matched(const Tensor& x, double alpha, double gamma) {
  const Tensor p = torch::sigmoid(x);
  const Tensor bce = log1p_exp(-x);  // BCE(x, 1)
  const Tensor rest = torch::sigmoid(-x);
  const Tensor weight = rest.pow(gamma) * alpha;
  return {weight * bce, -weight * (rest + gamma * p * bce)};
}

/// weight · BCE(x, target), both constants
Elements weighted_bce(const Tensor& x, const Tensor& weight, const Tensor& target) {
  return {weight * (log1p_exp(x) - target * x), weight * (torch::sigmoid(x) - target)};
}

Elements matched_loss(const Tensor& x, const Tensor& quality, const CriterionOptions& options) {
  const Tensor one = torch::ones_like(quality);
  switch (options.class_loss) {
    case ClassLoss::kVarifocal:
      return weighted_bce(x, quality, quality);
    case ClassLoss::kMal:
      return weighted_bce(x, one, quality.clamp_min(0).pow(options.mal_gamma));
    case ClassLoss::kFocal:
      return focal_loss_of_matched(x, options.focal_alpha, options.focal_gamma);
    case ClassLoss::kBce:
      return weighted_bce(x, one, one);
    case ClassLoss::kSoftBce:
      return weighted_bce(x, one, quality);
  }
  throw InternalError("unknown class loss");
}

/// Sums per set, with a derivative that is known already.
class SumPerSet : public torch::autograd::Function<SumPerSet> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& /*logits*/, const Tensor& loss,
                        const Tensor& derivative) {
    context->save_for_backward({derivative});
    return loss.sum({1, 2});
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const Tensor derivative = context->get_saved_variables()[0];
    return {gradients[0].view({-1, 1, 1}) * derivative, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor classification_loss(const Tensor& logits, const Tensor& cells, const Tensor& quality,
                           const CriterionOptions& options) {
  check_shape(logits, {-1, -1, -1}, "logits");
  check_shape(quality, {cells.size(0)}, "quality");
  Elements elements;
  {
    const torch::NoGradGuard no_grad;
    const Tensor x = logits.detach().contiguous();
    elements = background_loss(x, background_of(options));
    const Elements matched = matched_loss(x.view(-1).index_select(0, cells), quality.detach(), options);
    elements.loss.view(-1).index_copy_(0, cells, matched.loss);
    elements.derivative.view(-1).index_copy_(0, cells, matched.derivative);
  }
  return SumPerSet::apply(logits, elements.loss, elements.derivative);
}

}  // namespace rtdetr
