#include "models/deploy/part_follower.h"

#include <memory>
#include <string_view>
#include <utility>

#include <ATen/record_function.h>

#include "core/ops/device.h"

namespace rtdetr {

namespace {

thread_local PartFollower* current_follower = nullptr;

constexpr std::size_t kEncoder = 1;
static_assert(std::string_view(kForwardParts[kEncoder]) == "encoder");

/// @param around  of the scope that this one is in
std::size_t part_of(std::string_view scope, std::size_t around) {
  if (scope == "deformable encoder") return kEncoder;
  for (std::size_t part = 0; part < kForwardParts.size(); ++part) {
    if (scope == kForwardParts[part]) return part;
  }
  return around;
}

}  // namespace

/// What LibTorch calls: it takes plain functions.
struct PartScopes {
  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& scope) {
    std::vector<std::size_t> open = current_follower->open_;
    open.push_back(part_of(scope.name(), open.back()));
    current_follower->move_to(std::move(open));
    return nullptr;
  }
  static void leave(const at::RecordFunction&, at::ObserverContext*) {
    std::vector<std::size_t> open = current_follower->open_;
    open.pop_back();
    current_follower->move_to(std::move(open));
  }
};

PartFollower::PartFollower(torch::Device device)
    : device_(device),
      handle_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(&PartScopes::enter, &PartScopes::leave).scopes({at::RecordScope::USER_SCOPE}))) {
  current_follower = this;
}

PartFollower::~PartFollower() {
  at::removeCallback(handle_);
  current_follower = nullptr;
}

void PartFollower::move_to(std::vector<std::size_t> open) {
  wait_for(device_);
  const auto now = std::chrono::steady_clock::now();
  if (open_.size() > 1) ms_[part()] += std::chrono::duration<double, std::milli>(now - since_).count();
  since_ = now;
  open_ = std::move(open);
}

}  // namespace rtdetr
