// A CUDA plug-in without a GPU: it makes LibTorch's device "cuda" out of the host, so that the program's way to a card
// is tried where there is none (RTDETR_CUDA_PLUGIN=librtdetr_pretend_card.so rtdetr … device=cuda).
//
// What lies on the card has addresses that nobody may read: the host's with one bit changed. Reading a result without
// bringing it to the host ends the program with a signal, as it would with a card; an operation on tensors of both
// devices is refused, as a card's is. Every operation is computed by the CPU's kernel on the same memory, at once:
// streams and events are only counted, so an order that is missing between two streams is not found here.
//
// RTDETR_PRETEND_MIB    memory of the card; beyond it there is LibTorch's out-of-memory error
// RTDETR_PRETEND_LOSS   number of operations after which the card is lost for good
// RTDETR_PRETEND_FULL   an operator, as "aten::remainder", for which the card has no memory
// RTDETR_PRETEND_UUID   which of all cards it is
// RTDETR_PRETEND_LINKS  of its way to other cards: pretend_links.cpp
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/types.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <string>
#include <unordered_map>

#include "core/ops/cuda_plugin.h"
#include "tests/support/pinned_memory.h"
#include "tests/support/pretend_card.h"

namespace rtdetr::test {
namespace {

using torch::Tensor;
using Stack = std::vector<c10::IValue>;

constexpr std::uintptr_t kCardBit = std::uintptr_t{1} << 62;  // no address of a program has it

std::int64_t number_from(const char* variable, std::int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoll(text) : otherwise;
}

/// Counts an operation, and refuses it once the card is lost.
void count_operation() {
  static const std::int64_t last = number_from("RTDETR_PRETEND_LOSS", INT64_MAX);
  static std::atomic<std::int64_t> done{0};
  if (++done <= last) return;
  throw c10::AcceleratorError({__func__, __FILE__, __LINE__}, 214, "CUDA error: uncorrectable ECC error encountered");
}

void* on_host(const void* card) { return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(card) & ~kCardBit); }

/// The card's memory.
class CardAllocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const c10::Device card(c10::kCUDA, 0);
    if (bytes == 0) return {nullptr, card};
    static const std::int64_t room = number_from("RTDETR_PRETEND_MIB", INT64_MAX >> 20) << 20;
    if (used_ + static_cast<std::int64_t>(bytes) > room)
      TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", bytes >> 20, " MiB.");
    void* memory = std::aligned_alloc(64, (bytes + 127) / 64 * 64 + 64);
    *static_cast<std::size_t*>(memory) = bytes;
    const std::int64_t now = used_ += static_cast<std::int64_t>(bytes);
    for (std::int64_t peak = peak_; peak < now && !peak_.compare_exchange_weak(peak, now);) {
    }
    void* address = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(memory) + 64) | kCardBit);
    return {address, address, &release, card};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(on_host(to), on_host(from), bytes);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.allocated_bytes[0].current = used_;
    stats.allocated_bytes[0].peak = peak_;
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { peak_ = used_.load(); }

 private:
  static void release(void* address) {
    if (!address) return;
    void* memory = static_cast<char*>(on_host(address)) - 64;
    used_ -= static_cast<std::int64_t>(*static_cast<std::size_t*>(memory));
    std::free(memory);
  }
  static inline std::atomic<std::int64_t> used_{0}, peak_{0};
};
CardAllocator g_allocator;
const bool g_allocator_is_set = (c10::SetAllocator(c10::kCUDA, &g_allocator, 1), true);

/// One card; streams and events without effect.
struct CardGuard final : c10::impl::DeviceGuardImplInterface {
  using Stream = c10::Stream;
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {c10::kCUDA, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  Stream getStream(c10::Device) const override { return Stream(Stream::UNSAFE, getDevice(), current()); }
  Stream getDefaultStream(c10::Device) const override { return Stream(Stream::UNSAFE, getDevice(), 0); }
  Stream getStreamFromGlobalPool(c10::Device, bool) const override {
    static std::atomic<c10::StreamId> last{0};
    return Stream(Stream::UNSAFE, getDevice(), ++last);
  }
  Stream exchangeStream(Stream stream) const override {
    const Stream before = getStream(getDevice());
    current() = stream.id();
    return before;
  }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  void record(void** event, const Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {
    count_operation();
    static int mark;
    *event = &mark;
  }
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
  void synchronizeEvent(void*) const override { count_operation(); }
  void synchronizeDevice(const c10::DeviceIndex) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const Stream&) const override {}

 private:
  static c10::StreamId& current() {
    thread_local c10::StreamId id = 0;
    return id;
  }
};
const c10::impl::DeviceGuardImplRegistrar g_guard(c10::kCUDA, new CardGuard);

}  // namespace

Tensor host_view(const Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  const auto options = tensor.options().device(torch::kCPU).requires_grad(false);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  return at::from_blob(on_host(tensor.const_data_ptr()), tensor.sizes(), tensor.strides(), options);
}

namespace {

Tensor on_card(const Tensor& host) {
  const Tensor card = at::detail::empty_strided_generic(
      host.sizes(), host.strides(), &g_allocator, c10::DispatchKeySet(c10::DispatchKey::CUDA), host.scalar_type());
  host_view(card).copy_(host);
  return card;
}

/// Calls an operation with the host's views of what lies on the card, and brings back what it returns.
class Call {
 public:
  Call(const c10::OperatorHandle& op, Stack* stack) : op_(op), stack_(*stack) {}

  void run() {
    count_operation();
    refuse_memory();
    const auto& arguments = op_.schema().arguments();
    const std::size_t first = stack_.size() - arguments.size();
    for (std::size_t i = first; i < stack_.size(); ++i) stack_[i] = to_host(stack_[i]);
    check_devices();
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    take_over_new_sizes();
    const std::size_t results = op_.schema().returns().size();
    for (std::size_t i = stack_.size() - results; i < stack_.size(); ++i) stack_[i] = to_card(stack_[i]);
  }

 private:
  void refuse_memory() const {
    static const char* refused = std::getenv("RTDETR_PRETEND_FULL");
    if (refused != nullptr && op_.schema().name() == refused)
      TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 2 MiB.");
  }

  Tensor view_of(const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (tensor.is_cpu()) {
      if (tensor.dim() > 0) on_both_ = true;
      return tensor;
    }
    has_card_ = true;
    const Tensor view = host_view(tensor);
    originals_.emplace(view.unsafeGetTensorImpl(), tensor);
    return kept_.emplace_back(view);
  }

  c10::IValue to_host(const c10::IValue& value) {
    if (value.isTensor()) return view_of(value.toTensor());
    if (value.isDevice()) {
      if (value.toDevice().is_cuda()) has_card_ = true;
      return torch::Device(torch::kCPU);
    }
    if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(view_of(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional(view_of(*tensor)) : std::nullopt);
      return list;
    }
    return value;
  }

  c10::IValue to_card(const c10::IValue& value) {
    if (value.isTensor()) return original_or_copy(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorVector()) list.push_back(original_or_copy(tensor));
    return list;
  }

  Tensor original_or_copy(const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    const auto original = originals_.find(tensor.unsafeGetTensorImpl());
    if (original != originals_.end()) return original->second;
    for (const Tensor& view : kept_)
      TORCH_CHECK(!tensor.is_alias_of(view), "the pretended card has no kernel for the view ", op_.schema().name());
    return on_card(tensor);
  }

  /// An empty tensor that was given for a result may have become one of another size.
  void take_over_new_sizes() {
    for (const Tensor& view : kept_) {
      const Tensor& original = originals_.at(view.unsafeGetTensorImpl());
      if (original.sizes() == view.sizes()) continue;
      c10::TensorImpl& card = *original.unsafeGetTensorImpl();
      const Tensor grown = on_card(view);
      card.set_storage_keep_dtype(grown.storage());
      card.set_sizes_and_strides(grown.sizes(), grown.strides(), 0);
    }
  }

  /// Indices may lie on the host, and so may scalars.
  void check_devices() const {
    static const std::set<std::string> allowed{"aten::index", "aten::index_put_", "aten::_index_put_impl_"};
    if (!has_card_ || !on_both_ || allowed.contains(op_.schema().name())) return;
    TORCH_CHECK(false, "Expected all tensors to be on the same device, but ", op_.schema().name(),
                " found at least two devices, cuda:0 and cpu!");
  }

  const c10::OperatorHandle& op_;
  Stack& stack_;
  bool has_card_ = false, on_both_ = false;
  std::vector<Tensor> kept_;
  std::unordered_map<c10::TensorImpl*, Tensor> originals_;
};

void compute_on_host(const c10::OperatorHandle& op, Stack* stack) { Call(op, stack).run(); }

Tensor empty(c10::SymIntArrayRef size, std::optional<torch::ScalarType> type, std::optional<torch::Layout>,
             std::optional<torch::Device>, std::optional<bool>, std::optional<torch::MemoryFormat> format) {
  count_operation();
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &g_allocator,
                                   c10::DispatchKeySet(c10::DispatchKey::CUDA), c10::dtype_or_default(type), format);
}

Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef strides, std::optional<torch::ScalarType> type,
                     std::optional<torch::Layout>, std::optional<torch::Device>, std::optional<bool>) {
  count_operation();
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(strides),
                                           &g_allocator, c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           c10::dtype_or_default(type));
}

Tensor& copy(Tensor& self, const Tensor& from, bool) {
  count_operation();
  host_view(self).copy_(host_view(from));
  return self;
}

void record_stream(Tensor&, c10::Stream) { count_operation(); }

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_host>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("copy_", copy);
  m.impl("record_stream", record_stream);
  m.impl("as_strided", at::native::as_strided_tensorimpl);
  m.impl("view", at::native::view);
  m.impl("unfold", at::native::unfold);
  m.impl("_reshape_alias", at::native::_reshape_alias);
  // Else composed of others, on a card as little as on the CPU.
  for (const char* name : {"convolution", "convolution_backward", "native_layer_norm"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&compute_on_host>());
}

void forward(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
             Tensor& output) {
  Tensor host = host_view(output);
  ms_deform_attn_cpu_kernels().forward(shape, host_view(value), host_view(locations), host_view(weights), host);
}

void backward(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
              const Tensor& grad_output, Tensor& grad_value, Tensor& grad_locations, Tensor& grad_weights) {
  Tensor of_value = host_view(grad_value), of_locations = host_view(grad_locations),
         of_weights = host_view(grad_weights);
  ms_deform_attn_cpu_kernels().backward(shape, host_view(value), host_view(locations), host_view(weights),
                                        host_view(grad_output), of_value, of_locations, of_weights);
}

/// The CPU's passes know no float16.
Tensor widened(const Tensor& x) { return x.scalar_type() == torch::kHalf ? x.to(torch::kFloat32) : x; }

Tensor norm_forward(const Tensor& x, const BatchNormParts& parts, const SumReducer& reduce, Tensor& norm) {
  BatchNormParts there = parts;
  for (Tensor* part : {&there.weight, &there.bias, &there.running_mean, &there.running_var}) *part = host_view(*part);
  Tensor host_norm;
  const Tensor y = batch_norm_cpu_passes().forward(widened(host_view(x)), there, reduce, host_norm);
  norm = on_card(host_norm);
  return on_card(y.to(x.scalar_type()));
}

BatchNormGradients norm_backward(const Tensor& grad, const Tensor& x, const Tensor& norm, NormActivation activation,
                                 const SumReducer& reduce) {
  const BatchNormGradients found = batch_norm_cpu_passes().backward(widened(host_view(grad)), widened(host_view(x)),
                                                                    host_view(norm), activation, reduce);
  return {on_card(found.x.to(x.scalar_type())), on_card(found.weight), on_card(found.bias)};
}

std::string uuid(int) {
  const char* text = std::getenv("RTDETR_PRETEND_UUID");
  return text ? text : "GPU-pretended";
}

}  // namespace
}  // namespace rtdetr::test

namespace at {
namespace {

struct CUDAHooks final : CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
  bool isPinnedPtr(const void* data) const override { return rtdetr::test::PinnedMemory::instance().has(data); }
  at::Allocator* getPinnedMemoryAllocator() const override { return &rtdetr::test::PinnedMemory::instance(); }
  at::Device getDeviceFromPtr(void*) const override { return {c10::kCUDA, 0}; }
  const at::Generator& getDefaultGenerator(at::DeviceIndex) const override { return detail::getDefaultCPUGenerator(); }
  at::DeviceIndex current_device() const override { return 0; }
  at::DeviceIndex deviceCount() const override { return 1; }
  at::DeviceIndex getCurrentDevice() const override { return 0; }
  int getNumGPUs() const override { return 1; }
  void deviceSynchronize(at::DeviceIndex) const override { rtdetr::test::count_operation(); }
};
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace
}  // namespace at

extern "C" __attribute__((visibility("default"))) const rtdetr::CudaPlugin* rtdetr_cuda_plugin() {
  static rtdetr::CudaPlugin plugin;
  plugin.version = rtdetr::kCudaPluginVersion;
  plugin.ms_deform_attn = {rtdetr::test::forward, rtdetr::test::backward};
  plugin.batch_norm = {.forward = rtdetr::test::norm_forward, .backward = rtdetr::test::norm_backward};
  plugin.make_nccl_backend = rtdetr::test::make_pretended_links;
  plugin.uuid = rtdetr::test::uuid;
  return &plugin;
}
