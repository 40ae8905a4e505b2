#include "models/deploy/engine/program.h"

#include <algorithm>
#include <limits>
#include <new>
#include <numeric>
#include <span>

#include <torch/types.h>

#include "core/base/give_back.h"
#include "models/deploy/engine/fusion.h"
#include "models/deploy/engine/narrow_maps.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kAlignment = 64;
constexpr std::int64_t kManyBytes = std::int64_t{8} << 20;  // of plain weights, to be given back when they are packed

/// The steps at which a buffer holds something.
struct Lifetime {
  std::int64_t first = std::numeric_limits<std::int64_t>::max(), last = -1;
  void include(std::int64_t step) {
    first = std::min(first, step);
    last = std::max(last, step);
  }
  bool holds(std::int64_t step) const { return first <= step && step <= last; }
  bool meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

std::vector<Lifetime> lifetimes(const std::vector<EngineStepPtr>& steps, const std::vector<EngineBuffer>& buffers) {
  std::vector<Lifetime> lives(buffers.size() + steps.size());
  const auto include = [&](const EngineView& view, std::size_t step) {
    if (view.buffer >= 0) lives[static_cast<std::size_t>(view.buffer)].include(static_cast<std::int64_t>(step));
  };
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const EngineOperation& operation = steps[k]->operation();
    for (const EngineView& view : operation.inputs) include(view, k);
    for (const EngineView& view : operation.outputs) include(view, k);
    include(operation.residual, k);
    lives[buffers.size() + k].include(static_cast<std::int64_t>(k));
  }
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].is_output) lives[b].include(static_cast<std::int64_t>(steps.size()));
  }
  return lives;
}

/// The lowest place where `bytes` fit between what lives at the same time.
std::int64_t lowest_gap(std::vector<std::pair<std::int64_t, std::int64_t>> taken, std::int64_t bytes) {
  std::ranges::sort(taken);
  std::int64_t offset = 0;
  for (const auto& [begin, end] : taken) {
    if (offset + bytes <= begin) break;
    offset = std::max(offset, end);
  }
  return offset;
}

/// A product's inputs but for the first, which is its data.
std::span<const EngineView> weights_of(const EngineOperation& product) { return std::span(product.inputs).subspan(1); }

}  // namespace

EngineProgram::EngineProgram(const EngineGraph& graph) {
  EngineLayout layout = plan_layout(graph);
  narrow_maps(layout);
  buffers_ = std::move(layout.buffers);
  layers_ = std::move(layout.layers);
  tokens_ = std::move(layout.tokens);
  for (EngineOperation& operation : layout.operations) {
    if (is_packed_product(operation, buffers_)) {
      unpacked_.emplace_back(steps_.size(), std::move(operation));
      steps_.push_back(nullptr);
    } else {
      steps_.push_back(make_step(std::move(operation), buffers_));
    }
  }
}

void EngineProgram::pack() {
  std::vector<int> readers(buffers_.size(), 0);  // among what is not packed yet
  for (const auto& [step, operation] : unpacked_) {
    for (const EngineView& view : weights_of(operation)) ++readers[static_cast<std::size_t>(view.buffer)];
  }
  std::vector<bool> kept(buffers_.size(), false);  // what a step reads in its run
  for (const auto& [step, operation] : unpacked_)
    kept[static_cast<std::size_t>(operation.inputs.front().buffer)] = true;
  for (const EngineStepPtr& step : steps_) {
    for (std::size_t k = 0; step && k < step->operation().inputs.size(); ++k) {
      if (const int buffer = step->operation().inputs[k].buffer; buffer >= 0)
        kept[static_cast<std::size_t>(buffer)] = true;
    }
  }
  std::int64_t freed = 0;
  for (auto& [step, operation] : unpacked_) {
    const std::vector<EngineView> packed(operation.inputs.begin() + 1, operation.inputs.end());
    steps_[step] = make_product_step(operation, buffers_);
    for (const EngineView& view : packed) {
      const auto b = static_cast<std::size_t>(view.buffer);
      if (--readers[b] > 0 || kept[b]) continue;
      buffers_[b].constant = Tensor();
      freed += buffers_[b].bytes();
    }
    if (freed < kManyBytes) continue;
    give_back_freed_memory();
    freed = 0;
  }
  unpacked_.clear();
  for (std::size_t k = 0; k < steps_.size(); ++k) steps_[k]->set_workspace(static_cast<int>(buffers_.size() + k));
  const std::vector<Lifetime> lives = lifetimes(steps_, buffers_);
  for (std::size_t b = 0; b < buffers_.size(); ++b) {
    Tensor& constant = buffers_[b].constant;
    if (constant.defined()) constant = lives[b].last >= 0 ? constant.contiguous().clone() : Tensor();
  }
  give_back_freed_memory();
}

std::vector<bool> EngineProgram::steps_to(const EngineLayerViews& layer) const {
  std::vector<bool> wanted(buffers_.size(), false), leads_there(steps_.size(), false);
  const auto want = [&](const EngineView& view) {
    if (view.buffer >= 0) wanted[static_cast<std::size_t>(view.buffer)] = true;
  };
  want(layer.logits);
  want(layer.boxes);
  for (std::size_t k = steps_.size(); k-- > 0;) {
    const EngineOperation& operation = steps_[k]->operation();
    leads_there[k] = std::ranges::any_of(operation.outputs, [&](const EngineView& view) {
      return view.buffer >= 0 && wanted[static_cast<std::size_t>(view.buffer)];
    });
    if (!leads_there[k]) continue;
    std::ranges::for_each(operation.inputs, want);
    want(operation.residual);
  }
  return leads_there;
}

MemoryPlan EngineProgram::plan_memory(int threads) const {
  const std::vector<Lifetime> lives = lifetimes(steps_, buffers_);
  std::vector<std::int64_t> bytes(lives.size(), 0);
  for (std::size_t b = 0; b < lives.size(); ++b) {
    if (lives[b].last < 0) continue;
    if (b >= buffers_.size())
      bytes[b] = 4 * steps_[b - buffers_.size()]->workspace_floats(threads);
    else if (!buffers_[b].constant.defined() && !buffers_[b].is_images)
      bytes[b] = buffers_[b].bytes();
    bytes[b] = (bytes[b] + kAlignment - 1) / kAlignment * kAlignment;
  }
  std::vector<std::size_t> order(lives.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return bytes[a] > bytes[b]; });
  MemoryPlan plan;
  plan.offsets.assign(lives.size(), -1);
  for (const std::size_t b : order) {
    if (bytes[b] == 0) continue;
    std::vector<std::pair<std::int64_t, std::int64_t>> taken;
    for (std::size_t other = 0; other < lives.size(); ++other) {
      if (plan.offsets[other] >= 0 && lives[other].meets(lives[b]))
        taken.emplace_back(plan.offsets[other], plan.offsets[other] + bytes[other]);
    }
    plan.offsets[b] = lowest_gap(std::move(taken), bytes[b]);
    plan.bytes = std::max(plan.bytes, plan.offsets[b] + bytes[b]);
  }
  for (std::size_t step = 0; step <= steps_.size(); ++step) {
    std::int64_t live = 0;
    for (std::size_t b = 0; b < lives.size(); ++b)
      live += lives[b].holds(static_cast<std::int64_t>(step)) ? bytes[b] : 0;
    plan.least_bytes = std::max(plan.least_bytes, live);
  }
  return plan;
}

std::int64_t EngineProgram::weight_bytes() const {
  std::int64_t bytes = 0;
  for (const EngineStepPtr& step : steps_) bytes += step->weight_bytes();
  for (const EngineBuffer& buffer : buffers_) bytes += buffer.constant.defined() ? buffer.bytes() : 0;
  return bytes;
}

EngineArena::EngineArena(const EngineProgram& program, int threads) {
  const MemoryPlan plan = program.plan_memory(threads);
  bytes_ = std::max(plan.bytes, kAlignment);
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, static_cast<std::size_t>(bytes_))));
  if (!memory_) throw std::bad_alloc();
  frame_.threads = threads;
  for (const std::int64_t offset : plan.offsets)
    frame_.bases.push_back(memory_.get() + std::max<std::int64_t>(offset, 0));
  const std::vector<EngineBuffer>& buffers = program.buffers();
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].is_images) image_buffers_.push_back(b);
    if (buffers[b].constant.defined())
      frame_.bases[b] = static_cast<std::byte*>(buffers[b].constant.mutable_data_ptr());
  }
}

const EngineFrame& EngineArena::frame_for(const float* images) {
  for (const std::size_t b : image_buffers_)
    frame_.bases[b] = reinterpret_cast<std::byte*>(const_cast<float*>(images));  // no step writes there
  return frame_;
}

}  // namespace rtdetr
