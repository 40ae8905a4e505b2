#include "tests/support/device_log.h"

#include <mutex>

#include <ATen/record_function.h>

namespace rtdetr::test {
namespace {

/// What the log writes into, from the threads of the step and of autograd.
class Recorder {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    events_.clear();
    recording_ = true;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    recording_ = false;
  }
  void note(const std::string& op, bool is_wait) {
    const std::lock_guard lock(mutex_);
    if (recording_) events_.push_back({parts_.empty() ? "" : parts_.back(), op, is_wait});
  }
  std::vector<DeviceLog::Event> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  void enter(const char* part) {
    const std::lock_guard lock(mutex_);
    parts_.emplace_back(part);
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    parts_.pop_back();
  }

 private:
  std::mutex mutex_;
  bool recording_ = false;
  std::vector<DeviceLog::Event> events_;
  std::vector<std::string> parts_;
};

Recorder& recorder() {
  static Recorder recorder;
  return recorder;
}

std::unique_ptr<at::ObserverContext> enter_part(const at::RecordFunction& function) {
  recorder().enter(function.name());
  return nullptr;
}
void leave_part(const at::RecordFunction&, at::ObserverContext*) { recorder().leave(); }

at::CallbackHandle parts_handle;

}  // namespace

void note_event(const std::string& op, bool is_wait) { recorder().note(op, is_wait); }

DeviceLog::DeviceLog() {
  recorder().begin();
  parts_handle =
      at::addGlobalCallback(at::RecordFunctionCallback(&enter_part, &leave_part).scopes({at::RecordScope::USER_SCOPE}));
}

DeviceLog::~DeviceLog() {
  at::removeCallback(parts_handle);
  recorder().end();
}

std::vector<DeviceLog::Event> DeviceLog::events() const { return recorder().events(); }

std::vector<std::string> DeviceLog::waits() const {
  std::vector<std::string> waits;
  for (const Event& event : events()) {
    if (event.is_wait) waits.push_back(event.part + ": " + event.op);
  }
  return waits;
}

DeviceLog::Counts DeviceLog::total() const {
  Counts total;
  for (const auto& [part, counts] : by_part()) {
    total.launches += counts.launches;
    total.waits += counts.waits;
  }
  return total;
}

std::map<std::string, DeviceLog::Counts> DeviceLog::by_part() const {
  std::map<std::string, Counts> parts;
  for (const Event& event : events()) {
    Counts& counts = parts[event.part];
    ++counts.launches;
    if (event.is_wait) ++counts.waits;
  }
  return parts;
}

}  // namespace rtdetr::test
