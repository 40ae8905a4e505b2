#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

/// What is done with a module and everything below it, whatever they are.
namespace rtdetr {

/// Has children and nothing else. Some may be those of its guests, modules that are not registered themselves: their
/// parts lie beside what else is here, as some references' keys have it ("body.conv1", "body.bn1", "body.layer1").
class Container : public torch::nn::Module {
 public:
  /// Registers the guest's children here, too. @throws ModelError  if it has tensors of its own, or a name is taken
  void take_in(std::shared_ptr<torch::nn::Module> guest);
  /// Lets go of what the guests have let go of, and takes in what they have made since.
  void follow_guests();
  std::vector<std::shared_ptr<torch::nn::Module>> guests() const;
  bool is_of_guest(const std::string& child) const;

 private:
  struct Guest {
    std::shared_ptr<torch::nn::Module> module;
    std::vector<std::string> children;  ///< registered here
  };
  using Child = torch::OrderedDict<std::string, std::shared_ptr<torch::nn::Module>>::Item;
  void take_child(Guest& guest, const Child& child);

  std::vector<Guest> guests_;
};

/// Registers `module` under `parent`, going through containers for each dot of `path`: LibTorch forbids dots in a
/// module's own name. A path that ends in a dot names the container that takes it in as a guest; "." is the parent.
/// @throws ModelError  if the path is taken
void register_at(torch::nn::Module& parent, const std::string& path, std::shared_ptr<torch::nn::Module> module);

/// A module whose buffers are the parameters of `module`, the very tensors, under the same keys: for a state that lists
/// a module several times. Parameters remain counted, averaged and trained once.
std::shared_ptr<torch::nn::Module> same_tensors(const torch::nn::Module& module);

/// Parameters and buffers by key: what a checkpoint's weights are. Order: registration.
std::vector<std::pair<std::string, torch::Tensor>> named_state(const torch::nn::Module& module);

/// Trainable and frozen, no buffers.
std::int64_t count_parameters(const torch::nn::Module& module);

/// Convolution weights in channels-last memory, where CPU convolutions are fastest; values and keys stay. Pictures in
/// the same layout spare their conversion.
void to_channels_last(torch::nn::Module& module);

}  // namespace rtdetr
