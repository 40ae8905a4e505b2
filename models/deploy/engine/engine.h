#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/image/image_size.h"
#include "models/deploy/engine/numbers.h"
#include "models/graph/model.h"

/// A model prepared for the CPU (docs/explanation/cpu_engine.md): its graph compiled for one input size, weights packed
/// in the order in which kernels read them, memory planned. Computes what the plain model does, but for rounding.
namespace rtdetr {

struct CpuEngineOptions {
  std::int64_t decoder_layers = 0;  ///< as ForwardOptions'
  bool all_layers = false;          ///< run() hands out what the head predicts at every layer
  /// The model's parameters are empty afterwards: a weight's memory is given back as soon as it is packed.
  bool take_weights = false;
  EngineNumbers numbers = {};  ///< can_multiply()
};

class CpuEngine {
 public:
  /// What one step of a run took.
  struct StepTime {
    std::string name, kind;
    double ms = 0, gflop = 0;
  };

  /// @param model  fused, float32, on the CPU; not read afterwards
  /// @return       nullptr, with a line in the log, if the model has something that the engine does not know
  static std::shared_ptr<const CpuEngine> prepare(DetectionModelImpl& model, const ImageSize& size,
                                                  const CpuEngineOptions& options = {});
  ~CpuEngine();

  /// The selected tokens and the last layer's prediction, or with all_layers every one; nothing else is in the output.
  /// Several threads may call it at once.
  /// @param images  [B, 3, H, W] of the engine's size, float32; computed one after the other
  ModelOutput run(const torch::Tensor& images, std::vector<StepTime>* times = nullptr) const;

  /// Runs, and widens `ranges` to what each product is given, and 0: the calibration that int8 needs
  /// (docs/explanation/cpu_engine.md). Of an engine with all_layers it serves every depth and size. Float32 alone.
  /// @throws DivergedError  if that is not finite; `ranges` is as it was
  void add_input_ranges(const torch::Tensor& images, InputRanges& ranges) const;

  /// What a pass that ends at each of the layers takes that run() hands out, in their order: the milliseconds of the
  /// steps that lead there.
  std::vector<double> layer_ms(const std::vector<StepTime>& times) const;

  const ImageSize& size() const;
  std::int64_t decoder_layers() const;  ///< as it was prepared for
  NumberFormat format() const;          ///< asked for; some products are float32 all the same (numbers.h)

  struct Memory {
    std::int64_t weights = 0;
    std::int64_t call = 0;        ///< values and workspaces of one call at a time
    std::int64_t least_call = 0;  ///< what lives at one time of it: no plan needs less
  };
  Memory memory() const;  ///< bytes

 private:
  struct State;
  explicit CpuEngine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
