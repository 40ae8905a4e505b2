// Every operator that LibTorch hands the device is computed by the CPU's kernel on tensors that share its memory; what
// comes back is given the device's name again. That is one function for all operators (compute_on_host), beside the few
// that need their own: copies, convolutions, and lists of tensors that LibTorch would take apart.
#include "tests/support/counting_device.h"

#include <set>
#include <unordered_map>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/ops/ms_deform_attn_kernels.h"
#include "tests/support/device_log.h"
#include "tests/support/list_launches.h"
#include "tests/support/pinned_memory.h"

namespace rtdetr::test {
namespace {

using c10::IValue;
using torch::Tensor;

const torch::Device kDevice(torch::kPrivateUse1, 0);

/// A tensor over `storage` that looks like `model`.
Tensor tensor_over(c10::Storage storage, c10::DispatchKey key, const Tensor& model) {
  Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), model.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(model.sizes(), model.strides(), model.storage_offset());
  return tensor;
}

/// The CPU's sight of the same memory; does not keep it alive.
Tensor on_host(const Tensor& tensor) {
  const c10::Storage& storage = tensor.storage();
  c10::DataPtr memory(const_cast<void*>(storage.data()), torch::kCPU);
  c10::Storage shared(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(memory),
                      c10::GetAllocator(torch::kCPU),
                      /*resizable=*/true);
  return tensor_over(std::move(shared), c10::DispatchKey::CPU, tensor);
}

/// The device's sight of memory that the CPU has filled, which it keeps.
Tensor on_device(const Tensor& host) {
  auto* kept = new c10::Storage(host.storage());
  c10::DataPtr memory(
      kept->mutable_data(), kept, [](void* context) { delete static_cast<c10::Storage*>(context); }, kDevice);
  c10::Storage storage(c10::Storage::use_byte_size_t(), kept->nbytes(), std::move(memory), nullptr, false);
  return tensor_over(std::move(storage), c10::DispatchKey::PrivateUse1, host);
}

/// The tensors of one call, as the CPU sees them.
class Operands {
 public:
  explicit Operands(std::string op) : op_(std::move(op)) {}

  IValue on_host(const IValue& value) {
    if (value.isTensor()) return host_of(value.toTensor());
    if (value.isDevice() && value.toDevice().type() == kDevice.type()) return torch::Device(torch::kCPU);
    if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(host_of(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional(host_of(*tensor)) : std::nullopt);
      return list;
    }
    return value;
  }

  IValue on_device(const IValue& value) {
    if (value.isTensor()) return device_of(value.toTensor());
    if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(device_of(tensor));
      return list;
    }
    return value;
  }

  /// Some operators resize the tensors that they are given for their results.
  void follow_resized() {
    for (const auto& [original, host] : pairs_) {
      c10::TensorImpl* impl = original.unsafeGetTensorImpl();
      if (host.storage().data() != original.storage().data())
        impl->set_storage_keep_dtype(test::on_device(host).storage());
      if (host.sizes() != original.sizes() || host.strides() != original.strides())
        impl->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
    }
  }

  /// Whether something was made: not a view, and not without elements.
  bool made_something() const { return made_something_; }

 private:
  Tensor host_of(const Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cpu()) {
      TORCH_CHECK(!tensor.defined() || tensor.dim() == 0, op_, ": an operand of size ", tensor.sizes(),
                  " lies on the CPU, others on the device");
      return tensor;
    }
    const Tensor host = test::on_host(tensor);
    pairs_.emplace_back(tensor, host);
    storages_.emplace(host.storage().unsafeGetStorageImpl(), tensor.storage());
    return host;
  }

  Tensor device_of(const Tensor& host) {
    if (!host.defined()) return host;
    const auto storage = storages_.find(host.storage().unsafeGetStorageImpl());
    if (storage != storages_.end()) return tensor_over(storage->second, c10::DispatchKey::PrivateUse1, host);
    made_something_ = made_something_ || host.numel() > 0;
    return test::on_device(host);
  }

  std::string op_;
  std::vector<std::pair<Tensor, Tensor>> pairs_;  ///< the device's, the CPU's
  std::unordered_map<c10::StorageImpl*, c10::Storage> storages_;
  bool made_something_ = false;
};

/// Operators whose result, or the shape of it, the host must see.
bool reads_back(const std::string& name) {
  static const std::set<std::string> kNames{
      "aten::_local_scalar_dense", "aten::nonzero",  "aten::masked_select", "aten::_unique", "aten::_unique2",
      "aten::unique_dim",          "aten::bincount", "aten::equal",         "aten::histc",   "aten::repeat_interleave",
      "aten::unique_consecutive",  "aten::argwhere", "aten::is_set_to",     "aten::allclose"};
  return kNames.contains(name);
}

/// A mask among the indices of aten::index and aten::index_put is turned into numbers of rows first.
bool has_mask(const IValue& argument) {
  if (!argument.isOptionalTensorList()) return false;
  for (const std::optional<Tensor>& tensor : argument.toOptionalTensorVector()) {
    const bool index = tensor && tensor->defined();
    if (index && (tensor->scalar_type() == torch::kBool || tensor->scalar_type() == torch::kByte)) return true;
  }
  return false;
}

bool only_allocates(const std::string& name) {
  return name.starts_with("aten::empty") || name.starts_with("aten::resize_") || name.starts_with("aten::set_");
}

bool writes_operand(const c10::FunctionSchema& schema, const std::vector<IValue>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const c10::AliasInfo* alias = schema.arguments()[i].alias_info();
    if (alias == nullptr || !alias->isWrite()) continue;
    if (!arguments[i].isTensor() || arguments[i].toTensor().numel() > 0) return true;
  }
  return false;
}

/// The operand that an operator writes its result into and returns, or -1. Not the one that it returns: LibTorch's
/// boxing loses hold of it when there are two.
int written_operand(const c10::FunctionSchema& schema, std::size_t result) {
  const c10::AliasInfo* returned = schema.returns()[result].alias_info();
  if (returned == nullptr || !returned->isWrite()) return -1;
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::AliasInfo* given = schema.arguments()[i].alias_info();
    if (given != nullptr && *given == *returned) return static_cast<int>(i);
  }
  return -1;
}

std::string full_name(const c10::OperatorName& name) {
  return name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
}

/// Lists of one type go into few launches, others are taken one by one.
std::size_t launches_of(const std::string& name, const std::vector<IValue>& arguments) {
  const bool adamw = name == "aten::_fused_adamw_", sgd = name == "aten::_fused_sgd_";
  if (!adamw && !sgd && !name.starts_with("aten::_foreach")) return 1;
  std::vector<Tensor> longest;
  std::size_t lists = 0;
  bool one_type = true;
  for (const IValue& argument : arguments) {
    if (!argument.isTensorList()) continue;
    const std::vector<Tensor> list = argument.toTensorVector();
    if (list.empty()) continue;
    ++lists;
    if (longest.empty()) longest = list;
    for (const Tensor& tensor : list) one_type = one_type && tensor.scalar_type() == longest.front().scalar_type();
  }
  if (!one_type) return longest.size();
  if (adamw) --lists;  // the counters of steps are beside
  const std::size_t last_sums = name == "aten::_foreach_norm" ? 1 : 0;
  return list_launches(longest, lists) + last_sums;
}

void compute_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const std::string name = schema.operator_name().name;
  const std::vector<IValue> arguments = torch::jit::pop(*stack, schema.arguments().size());
  Operands operands(full_name(schema.operator_name()));
  bool mask = false;
  for (const IValue& argument : arguments) {
    mask = mask || has_mask(argument);
    stack->push_back(operands.on_host(argument));
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  operands.follow_resized();
  const std::vector<IValue> results = torch::jit::pop(*stack, schema.returns().size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const int written = written_operand(schema, i);
    stack->push_back(written >= 0 ? arguments[static_cast<std::size_t>(written)] : operands.on_device(results[i]));
  }
  const bool reads = reads_back(name) || mask;
  const bool computes = operands.made_something() || writes_operand(schema, arguments);
  if (!reads && (!computes || only_allocates(name))) return;
  for (std::size_t i = launches_of(name, arguments); i > 0; --i) note_event(full_name(schema.operator_name()), reads);
}

/// A copy between host and device waits unless it is told not to; from memory that is not pinned it is first copied
/// aside, which waits as well.
Tensor& copy_(Tensor& to, const Tensor& from, bool non_blocking) {
  const bool up = from.is_cpu(), down = to.is_cpu();
  Tensor target = down ? to : on_host(to);
  target.copy_(up ? from : on_host(from));
  if (to.numel() > 0) {
    const char* direction = up ? " host to device" : down ? " device to host" : "";
    note_event(std::string("aten::copy_") + direction,
               (up || down) && (!non_blocking || (up && !PinnedMemory::instance().has(from.storage().data()))));
  }
  return to;
}

void record_stream(Tensor&, c10::Stream) {}

Tensor convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                   c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation,
                   bool transposed, c10::SymIntArrayRef output_padding, c10::SymInt groups) {
  const auto host_bias = bias && bias->defined() ? std::optional(on_host(*bias)) : std::nullopt;
  note_event("aten::convolution", false);
  return on_device(at::convolution_symint(on_host(input), on_host(weight), host_bias, stride, padding, dilation,
                                          transposed, output_padding, groups));
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& grad, const Tensor& input, const Tensor& weight,
                                                        c10::SymIntArrayRef stride, c10::SymIntArrayRef padding,
                                                        c10::SymIntArrayRef dilation, bool transposed,
                                                        c10::SymIntArrayRef output_padding, c10::SymInt groups,
                                                        std::array<bool, 3> wanted) {
  const std::vector<c10::SymInt> bias_size{weight.sym_size(transposed ? 1 : 0)};
  const auto [x, w, b] =
      at::convolution_backward_symint(on_host(grad), on_host(input), on_host(weight), bias_size, stride, padding,
                                      dilation, transposed, output_padding, groups, wanted);
  for (const bool asked : wanted) {
    if (asked) note_event("aten::convolution_backward", false);
  }
  const auto back = [](const Tensor& host) { return host.defined() ? on_device(host) : host; };
  return {back(x), back(w), back(b)};
}

/// The device's deformable attention: the CPU's, one launch each.
MsDeformAttnKernels counted_kernels() {
  MsDeformAttnKernels kernels;
  kernels.forward = [](const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations,
                       const Tensor& weights, Tensor& output) {
    Tensor host = on_host(output);
    note_event("rtdetr::ms_deform_attn", false);
    ms_deform_attn_cpu_kernels().forward(shape, on_host(value), on_host(locations), on_host(weights), host);
  };
  kernels.backward = [](const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations,
                        const Tensor& weights, const Tensor& grad, Tensor& grad_value, Tensor& grad_locations,
                        Tensor& grad_weights) {
    Tensor host_value = on_host(grad_value), host_weights = on_host(grad_weights);
    Tensor host_locations = grad_locations.defined() ? on_host(grad_locations) : Tensor();
    note_event("rtdetr::ms_deform_attn_backward", false);
    ms_deform_attn_cpu_kernels().backward(shape, on_host(value), on_host(locations), on_host(weights), on_host(grad),
                                          host_value, host_locations, host_weights);
  };
  return kernels;
}

struct Hooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  bool isPinnedPtr(const void* data) const override { return PinnedMemory::instance().has(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &PinnedMemory::instance(); }
};

/// One queue, in which everything is done at once: nothing is ever behind.
struct Guard : c10::impl::NoOpDeviceGuardImpl<torch::kPrivateUse1> {
  torch::Device exchangeDevice(torch::Device) const override { return kDevice; }
  torch::Device getDevice() const override { return kDevice; }
  c10::Stream getStream(torch::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
  c10::Stream getStreamFromGlobalPool(torch::Device, bool) const override {
    return c10::Stream(c10::Stream::DEFAULT, kDevice);
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void synchronizeEvent(void*) const override {}
};

}  // namespace

torch::Device counting_device() {
  [[maybe_unused]] static const bool registered = [] {
    c10::register_privateuse1_backend("counting");
    at::RegisterPrivateUse1HooksInterface(new Hooks);
    static c10::impl::DeviceGuardImplRegistrar guard(kDevice.type(), new Guard);
    static torch::Library others(torch::Library::IMPL, "_", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
    others.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_host>());
    static torch::Library own(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
    own.impl("copy_", &copy_);
    own.impl("record_stream", &record_stream);
    own.impl("convolution_overrideable", &convolution);
    own.impl("convolution_backward_overrideable", &convolution_backward);
    // One launch on a card, where LibTorch's own way for a device it does not know is several.
    for (const char* name : {"_foreach_add_.Scalar", "_foreach_add_.Tensor", "_foreach_copy_", "_foreach_lerp_.Scalar",
                             "_foreach_mul_.Scalar", "_foreach_mul_.Tensor", "_foreach_norm.Scalar",
                             "native_layer_norm", "silu_backward", "_foreach_zero_"})
      own.impl(name, torch::CppFunction::makeFromBoxedFunction<&compute_on_host>());
    set_ms_deform_attn_kernels(kDevice.type(), counted_kernels());
    return true;
  }();
  return kDevice;
}

void move_to(torch::nn::Module& module, torch::Device device) {
  const auto move = [&](const Tensor& tensor) {
    const torch::NoGradGuard no_grad;
    const Tensor moved = tensor.detach().to(device);
    tensor.unsafeGetTensorImpl()->shallow_copy_from(moved.getIntrusivePtr());
  };
  for (const Tensor& parameter : module.parameters()) move(parameter);
  for (const Tensor& buffer : module.buffers()) move(buffer);
}

}  // namespace rtdetr::test
