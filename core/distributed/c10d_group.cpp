#include "core/distributed/c10d_group.h"

#include <c10/util/Logging.h>
#include <torch/types.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/distributed/c10d_reducer.h"
#include "core/distributed/gloo_backend.h"
#include "core/distributed/gpu_links.h"
#include "core/distributed/meeting_place.h"
#include "core/distributed/peer_failure.h"
#include "core/distributed/roll_call.h"
#include "core/distributed/time_limit.h"

namespace rtdetr {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
}

c10d::ReduceOp operator_of(Reduction how) {
  if (how == Reduction::kMax) return c10d::ReduceOp::MAX;
  return how == Reduction::kMin ? c10d::ReduceOp::MIN : c10d::ReduceOp::SUM;
}

/// Ranks over c10d's backends: Gloo between the CPUs, NCCL between the GPUs for the tensors that lie there. Both are
/// made from one store, NCCL's by connect() or when the first such tensor comes.
class C10dGroup : public ProcessGroup {
 public:
  C10dGroup(const Rendezvous& me, c10::intrusive_ptr<c10d::Store> store, std::string address)
      : ProcessGroup(me.rank, me.size), me_(me), store_(std::move(store)), address_(std::move(address)) {
    backend_ = connect("numbers", torch::kCPU);
    barrier();  // the store may go with rank 0 once all are connected
  }
  ~C10dGroup() override {
    leave_gpus(std::move(gradients_));
    leave_gpus(std::move(between_gpus_));
    leave_gloo(std::move(backend_));
  }

 private:
  void do_all_reduce(torch::Tensor values, Reduction how) override {
    c10d::AllreduceOptions options;
    options.reduceOp = operator_of(how);
    std::vector<torch::Tensor> list{std::move(values)};
    run("a reduction", [&] { return backend_of(list.front().device()).allreduce(list, options); });
  }
  void do_broadcast(torch::Tensor values, std::int64_t from) override {
    c10d::BroadcastOptions options;
    options.rootRank = from;
    std::vector<torch::Tensor> list{std::move(values)};
    run("a broadcast", [&] { return backend_of(list.front().device()).broadcast(list, options); });
  }
  void do_barrier() override {
    run("a barrier", [&] { return backend_->barrier(); });
  }
  /// Over connections of its own: its messages and those of the other collectives, which a backward pass may wait for
  /// (BatchNorm of all ranks together), need no common order then; NCCL keeps that of the calls, which is one on all
  /// ranks.
  std::unique_ptr<GradientReducer> do_make_reducer(std::vector<torch::Tensor> parameters) override {
    auto backend = std::exchange(gradients_, nullptr);
    if (!backend) backend = connect_for_gradients(parameters.front().device());
    return make_c10d_reducer(me_, store_, std::move(backend), std::move(parameters));
  }

  /// Gloo has connected when it was made.
  void do_connect(torch::Device device) override {
    if (device.is_cpu()) return;
    backend_of(device);
    if (!gradients_) gradients_ = connect_for_gradients(device);
  }

  c10d::Backend& backend_of(torch::Device device) {
    if (device.is_cpu()) return *backend_;
    if (!between_gpus_) between_gpus_ = connect("tensors", device);
    return *between_gpus_;
  }
  c10::intrusive_ptr<c10d::Backend> connect_for_gradients(torch::Device device) {
    return connect("gradients" + std::to_string(reducers_++), device);
  }
  c10::intrusive_ptr<c10d::Backend> connect(const std::string& name, torch::Device device) {
    return among_peers(me_, "connecting to the other ranks", [&] {
      const auto store = c10::make_intrusive<c10d::PrefixStore>(name, store_);
      if (device.is_cpu()) return connect_cpus(store);
      auto backend = connect_gpus(
          store, {.nccl = {.rank = me_.rank, .size = me_.size, .peer_timeout = milliseconds(me_.peer_timeout)},
                  .device = device,
                  .start_timeout = milliseconds(me_.timeout)});
      nccl_.emplace_back(backend);
      return backend;
    });
  }
  c10::intrusive_ptr<c10d::Backend> connect_cpus(const c10::intrusive_ptr<c10d::Store>& store) const {
    return make_gloo_backend(store, {.rank = me_.rank,
                                     .size = me_.size,
                                     .address = address_,
                                     .start_timeout = milliseconds(me_.timeout),
                                     .peer_timeout = milliseconds(me_.peer_timeout)});
  }
  template <class Start>
  void run(const char* doing, Start&& start) {
    among_peers(me_, doing, [&] {
      check_gpus(nccl_);
      return start()->wait();
    });
  }

  Rendezvous me_;
  c10::intrusive_ptr<c10d::Store> store_;
  std::string address_;
  c10::intrusive_ptr<c10d::Backend> backend_, between_gpus_;
  c10::intrusive_ptr<c10d::Backend> gradients_;               ///< between GPUs, for the first reducer
  std::vector<c10::weak_intrusive_ptr<c10d::Backend>> nccl_;  ///< all that were made, those of reducers, too
  int reducers_ = 0;                                          ///< made so far
};

/// c10d logs what it throws, and on the way to it; what it throws is told once, by us.
void quiet_logs() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

/// The place where ranks leave messages, and this machine's address on the way there.
struct Meeting {
  c10::intrusive_ptr<c10d::Store> store;
  std::string address;
};

/// LibTorch waits for the first answer without end.
c10::intrusive_ptr<c10d::Store> store_at(const std::string& address, const c10d::TCPStoreOptions& options) {
  return within(options.timeout, "what listens there does not answer", [=]() -> c10::intrusive_ptr<c10d::Store> {
    return c10::make_intrusive<c10d::TCPStore>(address, options);
  });
}

Meeting meet(const Rendezvous& at, bool opens, double deadline) {
  MeetingPlace place;
  if (opens) place = open_meeting_place(at);
  const Route route = opens ? Route{place.address, place.listens_at} : find_route(at, deadline);
  c10d::TCPStoreOptions options;
  options.port = at.port;
  options.isServer = opens;
  options.waitWorkers = false;
  options.timeout = milliseconds(std::max(0.1, deadline - seconds_now()));
  if (opens) options.masterListenFd = place.socket.release();
  return {among_peers(at, "meeting rank 0", [&] { return store_at(route.to, options); }), route.from};
}

std::unique_ptr<ProcessGroup> join_at(const Rendezvous& me, Meeting meeting, double deadline) {
  among_peers(me, "meeting the other ranks", [&] { call_roll(*meeting.store, me, deadline); });
  return std::make_unique<C10dGroup>(me, std::move(meeting.store), meeting.address);
}

}  // namespace

std::unique_ptr<ProcessGroup> join_world(const Rendezvous& at) {
  if (at.size == 1) return make_world_of_one();
  RTDETR_CHECK(at.port != 0, rank_label(at) + "a world of several needs a port");
  quiet_logs();
  const double deadline = seconds_now() + at.timeout;
  Meeting meeting = meet(at, at.rank == 0 && !at.place_is_open, deadline);
  meeting.store = c10::make_intrusive<c10d::PrefixStore>("rtdetr/" + at.attempt, std::move(meeting.store));
  return join_at(at, std::move(meeting), deadline);
}

std::unique_ptr<ProcessGroup> join_through_file(const std::filesystem::path& file, const Rendezvous& me) {
  if (me.size == 1) return make_world_of_one();
  quiet_logs();
  auto store = c10::make_intrusive<c10d::FileStore>(file.string(), static_cast<int>(me.size));
  return join_at(me, {std::move(store), "127.0.0.1"}, seconds_now() + me.timeout);
}

}  // namespace rtdetr
