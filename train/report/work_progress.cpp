#include "train/report/work_progress.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/base/progress.h"
#include "core/base/text.h"
#include "train/report/output.h"

namespace rtdetr {

void WorkProgress::show(std::int64_t done) const {
  const double seconds = watch_.seconds();
  log::progress(line(done, seconds), log::tells_json() ? json_line(event(done, seconds)) : "");
}

WorkProgress::Speed WorkProgress::speed(std::int64_t done, double seconds) const {
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  return {rate, static_cast<double>(std::max<std::int64_t>(total_ - done, 0)) / rate};
}

std::string WorkProgress::line(std::int64_t done, double seconds) const {
  const Speed at = speed(done, seconds);
  const std::string of = total_ > 0 ? " of " + with_thousands(total_) : "",
                    left = total_ > 0 ? ", " + format_duration(at.seconds_left) + " left" : "";
  return what_ + with_thousands(done) + of + " " + unit_ + ", " + fixed(at.per_second, 1) + " " + unit_ + "/s" + left;
}

nlohmann::ordered_json WorkProgress::event(std::int64_t done, double seconds) const {
  const Speed at = speed(done, seconds);
  const std::string what = what_.substr(0, what_.find_last_not_of(": ") + 1);
  nlohmann::ordered_json event{
      {"type", "progress"}, {"what", what},           {"unit", unit_},           {"done", done},
      {"total", total_},    {"per_s", at.per_second}, {"eta_s", at.seconds_left}};
  if (total_ <= 0) event["total"] = event["eta_s"] = nullptr;
  return event;
}

}  // namespace rtdetr
