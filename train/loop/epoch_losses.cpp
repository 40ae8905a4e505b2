#include "train/loop/epoch_losses.h"

#include <cmath>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kMostTerms = 256;

}  // namespace

EpochLosses::EpochLosses() : sums_(torch::zeros({kMostTerms}, torch::kFloat64)) {}

void EpochLosses::add(const StepReport& report) {
  if (names_.empty()) {
    for (const auto& [name, value] : report.terms) names_.push_back(name);
    RTDETR_CHECK(names_.size() < kMostTerms, "more loss terms than the record holds");
  }
  double* sums = sums_.data_ptr<double>();
  sums[0] += report.loss;
  for (std::size_t i = 0; i < report.terms.size(); ++i) sums[i + 1] += report.terms[i].second;
  ++steps_;
}

void EpochLosses::clear() {
  sums_.zero_();
  steps_ = 0;
}

std::vector<std::pair<std::string, double>> EpochLosses::means() const {
  const double* sums = sums_.const_data_ptr<double>();
  const auto mean = [&](std::size_t i) { return steps_ > 0 ? sums[i] / static_cast<double>(steps_) : std::nan(""); };
  std::vector<std::pair<std::string, double>> means{{"loss", mean(0)}};
  for (std::size_t i = 0; i < names_.size(); ++i) means.emplace_back(names_[i], mean(i + 1));
  return means;
}

void EpochLosses::register_state(StateRegistry& registry) {
  registry.add("run.loss_sums", sums_);
  registry.add("run.loss_steps", &steps_);
}

std::string EpochLosses::names() const { return join(names_, ","); }

void EpochLosses::set_names(const std::string& names) {
  if (!names.empty()) names_ = split(names, ',');
}

}  // namespace rtdetr
