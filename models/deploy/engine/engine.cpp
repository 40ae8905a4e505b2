#include "models/deploy/engine/engine.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "models/deploy/engine/fusion.h"
#include "models/deploy/engine/program.h"

namespace rtdetr {

constexpr std::size_t kMostIdle = 64;

/// Arenas wait here for the next call: as many as there were calls at once, of each number of threads.
struct CpuEngine::State {
  ImageSize size;
  std::int64_t channels, decoder_layers;
  std::vector<std::int64_t> numbers;  ///< HeadLayer's, of the layers that are handed out
  NumberFormat format;
  EngineProgram program;
  std::mutex mutex;
  std::vector<std::unique_ptr<EngineArena>> idle;

  std::unique_ptr<EngineArena> take() {
    const int threads = at::get_num_threads();
    {
      const std::lock_guard lock(mutex);
      for (auto& arena : idle) {
        if (arena->threads() != threads) continue;
        std::swap(arena, idle.back());
        std::unique_ptr<EngineArena> taken = std::move(idle.back());
        idle.pop_back();
        return taken;
      }
    }
    return std::make_unique<EngineArena>(program, threads);
  }
  void give_back(std::unique_ptr<EngineArena> arena) {
    const std::lock_guard lock(mutex);
    if (idle.size() < kMostIdle) idle.push_back(std::move(arena));
  }

  /// Calls `visit` with the frame of each picture of a batch.
  template <typename Visit>
  void for_each(const torch::Tensor& images, Visit visit) {
    RTDETR_CHECK(images.dim() == 4 && images.size(0) > 0 && images.size(1) == channels &&
                     images.size(2) == size.height && images.size(3) == size.width &&
                     images.scalar_type() == torch::kFloat && images.is_cpu(),
                 "the engine was prepared for pictures of another size, type or number of channels");
    const Tensor pictures = images.contiguous(torch::MemoryFormat::ChannelsLast);
    std::unique_ptr<EngineArena> arena = take();
    for (std::int64_t b = 0; b < pictures.size(0); ++b)
      visit(arena->frame_for(pictures.const_data_ptr<float>() + b * pictures.stride(0)));
    give_back(std::move(arena));
  }
};

namespace {

/// HeadLayer's, of the layers that an engine hands out: the last, or the first `count`.
std::vector<std::int64_t> layer_numbers(const Head& head, std::size_t count) {
  const std::vector<HeadLayer> layers = head.layers();
  if (count == 1) return {layers.back().number};
  std::vector<std::int64_t> numbers;
  for (std::size_t k = 0; k < count; ++k) numbers.push_back(layers.at(k).number);
  return numbers;
}

void run_steps(const EngineProgram& program, const EngineFrame& frame) {
  for (const EngineStepPtr& step : program.steps()) step->run(frame);
}

/// All numbers of a table of rows.
void widen(InputRange& range, const float* first, const EngineView& view) {
  for (std::int64_t row = 0; row < view.rows(); ++row) {
    const float* numbers = first + row * view.row_stride();
    for (std::int64_t k = 0; k < view.row_length(); ++k) {
      range.low = std::min(range.low, numbers[k]);
      range.high = std::max(range.high, numbers[k]);
      if (std::isnan(numbers[k])) range.high = numbers[k];
    }
  }
}

/// A step that may be computed in narrow numbers.
bool is_product(const EngineStep& step) {
  const EngineOperation& operation = step.operation();
  return (operation.node.op == "Conv" || operation.node.op == "Linear") && operation.inputs.front().is_rows();
}

void run_timed(const EngineProgram& program, const EngineFrame& frame, std::vector<CpuEngine::StepTime>& times) {
  times.resize(program.steps().size());
  Stopwatch watch;
  for (std::size_t k = 0; k < times.size(); ++k) {
    const EngineStep& step = *program.steps()[k];
    step.run(frame);
    times[k] = {step.name(), step.kind(), times[k].ms + watch.lap(), step.operations() / 1e9};
  }
}

}  // namespace

CpuEngine::CpuEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}
CpuEngine::~CpuEngine() = default;

std::shared_ptr<const CpuEngine> CpuEngine::prepare(DetectionModelImpl& model, const ImageSize& size,
                                                    const CpuEngineOptions& options) {
  const torch::NoGradGuard no_grad;
  std::unique_ptr<State> state;
  try {
    EngineGraph graph =
        make_engine_graph(model, size, {.decoder_layers = options.decoder_layers, .all_layers = options.all_layers});
    RTDETR_CHECK(
        !options.all_layers || options.decoder_layers > 0 || graph.layers.size() == model.head().layers().size(),
        "the graph of all layers has " + std::to_string(graph.layers.size()) + " of the head's " +
            std::to_string(model.head().layers().size()));
    fuse_operations(graph);
    choose_numbers(graph, options.numbers);
    state.reset(new State{size,
                          model.spec().channels,
                          options.decoder_layers,
                          layer_numbers(model.head(), graph.layers.size()),
                          options.numbers.format,
                          EngineProgram(graph),
                          {},
                          {}});
  } catch (const ModelError& error) {
    log::info("the model runs without the CPU engine: " + std::string(error.what()));
  } catch (const UnknownOperation& error) {
    log::info("the model runs without the CPU engine, which does not know " + std::string(error.what()));
  }
  if (!state) return nullptr;
  if (options.take_weights) {
    for (Tensor& parameter : model.parameters()) parameter.set_data(torch::empty({0}, parameter.options()));
  }
  state->program.pack();
  return std::shared_ptr<const CpuEngine>(new CpuEngine(std::move(state)));
}

ModelOutput CpuEngine::run(const torch::Tensor& images, std::vector<StepTime>* times) const {
  State& state = *state_;
  const EngineProgram& program = state.program;
  if (times) times->clear();
  std::vector<std::vector<Tensor>> logits(state.numbers.size()), boxes(state.numbers.size());
  std::vector<Tensor> tokens;
  state.for_each(images, [&](const EngineFrame& frame) {
    if (times)
      run_timed(program, frame, *times);
    else
      run_steps(program, frame);
    for (std::size_t k = 0; k < logits.size(); ++k) {
      logits[k].push_back(frame.tensor(program.layers()[k].logits).clone());
      boxes[k].push_back(frame.tensor(program.layers()[k].boxes).clone());
    }
    if (program.tokens().buffer >= 0) tokens.push_back(frame.tensor(program.tokens(), torch::kLong).clone());
  });
  ModelOutput output;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    Prediction prediction{torch::cat(logits[k]), torch::cat(boxes[k])};
    if (state.numbers[k] == 0)
      output.encoder = std::move(prediction);
    else
      output.layers.push_back(std::move(prediction));
  }
  if (!tokens.empty()) output.topk_indices = torch::cat(tokens);
  return output;
}

void CpuEngine::add_input_ranges(const torch::Tensor& images, InputRanges& ranges) const {
  RTDETR_CHECK(format() == NumberFormat::kFloat32, "what narrow numbers are given is rounded already");
  InputRanges wider = ranges;
  state_->for_each(images, [&](const EngineFrame& frame) {
    for (const EngineStepPtr& step : state_->program.steps()) {
      if (is_product(*step)) {
        const EngineView& input = step->operation().inputs.front();
        InputRange& range = wider[step->name()];
        widen(range, frame.at<float>(input), input);
        if (!std::isfinite(range.low) || !std::isfinite(range.high))
          throw outputs_not_finite("numbers at " + step->name());
      }
      step->run(frame);
    }
  });
  ranges = std::move(wider);
}

std::vector<double> CpuEngine::layer_ms(const std::vector<StepTime>& times) const {
  std::vector<double> ms;
  for (const EngineLayerViews& layer : state_->program.layers()) {
    const std::vector<bool> leads_there = state_->program.steps_to(layer);
    RTDETR_CHECK(times.size() == leads_there.size(), "the times are of another engine's steps");
    double sum = 0;
    for (std::size_t k = 0; k < times.size(); ++k) sum += leads_there[k] ? times[k].ms : 0;
    ms.push_back(sum);
  }
  return ms;
}

const ImageSize& CpuEngine::size() const { return state_->size; }
std::int64_t CpuEngine::decoder_layers() const { return state_->decoder_layers; }
NumberFormat CpuEngine::format() const { return state_->format; }
CpuEngine::Memory CpuEngine::memory() const {
  const MemoryPlan plan = state_->program.plan_memory(at::get_num_threads());
  return {state_->program.weight_bytes(), plan.bytes, plan.least_bytes};
}

}  // namespace rtdetr
