#pragma once

#include <array>
#include <string>

#include "core/base/choices.h"
#include "core/base/log.h"

/// How the program says where its work stands: to people in lines, to programs in objects of JSON. What is told beside
/// it is in core/base/log.h, and goes the same way.
namespace rtdetr::log {

enum class ProgressForm {
  kAuto,   ///< one live line on a terminal, a plain line every few seconds elsewhere; none if the level hides info
  kPlain,  ///< plain lines everywhere
  kJson,   ///< every line of stderr is an object of JSON, messages too: {"type": "message", "level": …, "text": …}
  kNone,   ///< messages alone
};
inline constexpr std::array<Choice<ProgressForm>, 4> kProgressWords{{{"auto", ProgressForm::kAuto},
                                                                     {"plain", ProgressForm::kPlain},
                                                                     {"json", ProgressForm::kJson},
                                                                     {"none", ProgressForm::kNone}}};

void set_progress_form(ProgressForm form);
bool tells_json();

/// Where the work stands: `line`, as progress() of core/base/log.h has it, or in JSON `event`, at most once a second
/// and the last one before end_progress().
/// @param event  an object of JSON on one line
void progress(const std::string& line, const std::string& event);
/// What has happened: `line` as a message of information, or in JSON `event`. None is left out but by the level, which
/// hides no event.
void happened(const std::string& line, const std::string& event);

/// The object that kJson tells a message as, on one line without its end; bytes that are not UTF-8 become U+FFFD.
std::string message_event(Level level, const std::string& text);

}  // namespace rtdetr::log
