#include "losses/loss_terms.h"

#include <torch/types.h>

#include "losses/criterion.h"

namespace rtdetr {
namespace {

constexpr const char* kAnyClassTerm = "loss_class";  // Ultralytics', whichever loss it is
constexpr const char* kDinoClassTerm = "loss_ce";    // DINO's, likewise

std::string class_term_name(const CriterionOptions& options) {
  if (options.naming == CriterionOptions::Naming::kUltralytics) return kAnyClassTerm;
  if (options.naming == CriterionOptions::Naming::kDino) return kDinoClassTerm;
  const bool is_soft = options.class_loss == ClassLoss::kSoftBce;
  return "loss_" + word_of(is_soft ? ClassLoss::kBce : options.class_loss, kClassLossWords);
}

}  // namespace

std::vector<std::string> class_term_names() {
  std::vector<std::string> names{kAnyClassTerm, kDinoClassTerm};
  for (const std::string& word : words_of(kClassLossWords)) names.push_back("loss_" + word);
  return names;
}

LossTerms::LossTerms(const CriterionOptions& options)
    : naming_(options.naming), class_name_(class_term_name(options)) {}

void LossTerms::add_three(const std::string& suffix, const Tensor& three) {
  names_.push_back(class_name_ + suffix);
  names_.push_back("loss_bbox" + suffix);
  names_.push_back("loss_giou" + suffix);
  values_.push_back(three);
}

void LossTerms::add(const std::string& name, const Tensor& value) {
  names_.push_back(name);
  values_.push_back(value.view({1}));
}

Tensor LossTerms::values() const { return torch::cat(values_); }

void LossTerms::add_matching(const Tensor& losses, std::int64_t layers, bool with_initial) {
  const std::vector<Tensor> set = losses.unbind(1);
  add_three("", set[layers - 1]);
  if (naming_ == CriterionOptions::Naming::kUltralytics) {
    add_three("_aux", losses.sum(1) - set[layers - 1]);
    return;
  }
  const bool dino = naming_ == CriterionOptions::Naming::kDino;
  for (std::int64_t i = 0; i + 1 < layers; ++i) add_three((dino ? "_" : "_aux_") + std::to_string(i), set[i]);
  if (with_initial) add_three("_pre", set[layers]);
  const std::size_t encoder = static_cast<std::size_t>(layers) + (with_initial ? 1 : 0);
  if (encoder < set.size()) add_three(dino ? "_interm" : "_enc_0", set[encoder]);
}

void LossTerms::add_denoising(const Tensor& losses, std::size_t layers) {
  const std::vector<Tensor> layer = losses.unbind(1);
  if (naming_ == CriterionOptions::Naming::kUltralytics) {
    add_three("_dn", layer.back());
    add_three("_aux_dn", losses.sum(1) - layer.back());
    return;
  }
  const bool dino = naming_ == CriterionOptions::Naming::kDino;
  for (std::size_t i = 0; i < layers; ++i)
    add_three(dino && i + 1 == layers ? "_dn" : "_dn_" + std::to_string(i), layer[i]);
  if (layers < layer.size()) add_three("_dn_pre", layer[layers]);
}

}  // namespace rtdetr
