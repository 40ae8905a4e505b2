#pragma once

#include <array>
#include <string>

#include <torch/types.h>

#include "core/base/choices.h"

namespace rtdetr {

/// Number type of the model's forward and backward pass; weights, losses and the optimizer stay float32.
enum class Precision { kFloat32, kBFloat16 };
inline constexpr std::array<Choice<Precision>, 2> kPrecisionWords{
    {{"fp32", Precision::kFloat32}, {"bf16", Precision::kBFloat16}}};
inline std::string precision_name(Precision precision) { return word_of(precision, kPrecisionWords); }

/// Autocast for as long as the object lives, on this thread. Losses and backward belong outside.
class AutocastScope {
 public:
  AutocastScope(Precision precision, torch::Device device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  bool active_;
  bool was_enabled_ = false;
  torch::DeviceType device_;
};

struct PrecisionChoice {
  Precision precision = Precision::kFloat32;
  std::string reason;  ///< one line for the log
};
/// What `amp=` asks for.
enum class Amp { kOff, kBFloat16, kAuto };
inline constexpr std::array<Choice<Amp>, 3> kAmpWords{
    {{"off", Amp::kOff}, {"bf16", Amp::kBFloat16}, {"auto", Amp::kAuto}}};

/// What `amp` means here: kAuto times a convolution forward and backward in both types and
/// takes bf16 where it is clearly faster (with AMX it is 4 times faster, without it up to 20 times slower). Takes
/// a few hundredths of a second.
PrecisionChoice choose_precision(Amp amp, torch::Device device);

}  // namespace rtdetr
