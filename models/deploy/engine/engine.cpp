#include "models/deploy/engine/engine.h"

#include <mutex>

#include <ATen/Parallel.h>
#include <torch/torch.h>

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
};

namespace {

void run_steps(const EngineProgram& program, const EngineFrame& frame) {
  for (const EngineStepPtr& step : program.steps()) step->run(frame);
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
                                                    std::int64_t decoder_layers, Weights weights,
                                                    const EngineNumbers& numbers) {
  const torch::NoGradGuard no_grad;
  std::unique_ptr<State> state;
  try {
    EngineGraph graph = make_engine_graph(model, size, decoder_layers);
    fuse_operations(graph);
    choose_numbers(graph, numbers);
    state.reset(new State{size, model.spec().channels, decoder_layers, numbers.format, EngineProgram(graph), {}, {}});
  } catch (const ModelError& error) {
    log::info("the model runs without the CPU engine: " + std::string(error.what()));
  } catch (const UnknownOperation& error) {
    log::info("the model runs without the CPU engine, which does not know " + std::string(error.what()));
  }
  if (!state) return nullptr;
  if (weights == Weights::kTaken) {
    for (Tensor& parameter : model.parameters()) parameter.set_data(torch::empty({0}, parameter.options()));
  }
  state->program.pack();
  return std::shared_ptr<const CpuEngine>(new CpuEngine(std::move(state)));
}

ModelOutput CpuEngine::run(const torch::Tensor& images, std::vector<StepTime>* times) const {
  State& state = *state_;
  const EngineProgram& program = state.program;
  RTDETR_CHECK(images.dim() == 4 && images.size(0) > 0 && images.size(1) == state.channels &&
                   images.size(2) == state.size.height && images.size(3) == state.size.width &&
                   images.scalar_type() == torch::kFloat && images.is_cpu(),
               "the engine was prepared for pictures of another size, type or number of channels");
  const Tensor pictures = images.contiguous(torch::MemoryFormat::ChannelsLast);
  std::unique_ptr<EngineArena> arena = state.take();
  std::vector<Tensor> logits, boxes, tokens;
  for (std::int64_t b = 0; b < pictures.size(0); ++b) {
    const EngineFrame& frame = arena->frame_for(pictures.const_data_ptr<float>() + b * pictures.stride(0));
    if (times)
      run_timed(program, frame, *times);
    else
      run_steps(program, frame);
    logits.push_back(frame.tensor(program.logits()).clone());
    boxes.push_back(frame.tensor(program.boxes()).clone());
    if (program.tokens().buffer >= 0) tokens.push_back(frame.tensor(program.tokens(), torch::kLong).clone());
  }
  state.give_back(std::move(arena));
  ModelOutput output;
  output.layers.push_back({torch::cat(logits), torch::cat(boxes)});
  if (!tokens.empty()) output.topk_indices = torch::cat(tokens);
  return output;
}

const ImageSize& CpuEngine::size() const { return state_->size; }
std::int64_t CpuEngine::decoder_layers() const { return state_->decoder_layers; }
NumberFormat CpuEngine::format() const { return state_->format; }
CpuEngine::Memory CpuEngine::memory() const {
  const MemoryPlan plan = state_->program.plan_memory(at::get_num_threads());
  return {state_->program.weight_bytes(), plan.bytes, plan.least_bytes};
}

}  // namespace rtdetr
