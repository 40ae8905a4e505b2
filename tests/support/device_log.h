#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rtdetr::test {

/// The counting device says what it was asked for; from any thread.
/// @param op  with its overload and, for copies, the direction
void note_event(const std::string& op, bool is_wait);

/// Records, while it lives, what the host asks of the counting device. One at a time.
class DeviceLog {
 public:
  struct Event {
    std::string part;  ///< name of the innermost RECORD_USER_SCOPE; "" outside
    std::string op;    ///< with its overload and, for copies, the direction
    bool is_wait =
        false;  ///< the host waits for the device here: numbers read back, copies from memory that may change
  };
  struct Counts {
    std::int64_t launches = 0, waits = 0;
  };

  DeviceLog();
  ~DeviceLog();
  DeviceLog(const DeviceLog&) = delete;
  DeviceLog& operator=(const DeviceLog&) = delete;

  std::vector<Event> events() const;
  /// "part: operator" of each wait, in order.
  std::vector<std::string> waits() const;
  Counts total() const;
  std::map<std::string, Counts> by_part() const;
};

}  // namespace rtdetr::test
