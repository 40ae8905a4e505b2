#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/base/error.h"
#include "train/config/settings.h"
#include "train/report/text_layout.h"

/// Results on stdout: text for people, or with json=true one document and nothing else. Messages about the work go
/// through core/base/log.h, to stderr.
namespace rtdetr {

/// Writes `text` to stdout, unless json=true.
void print_text(const Settings& settings, const std::string& text);
/// Writes the document to stdout if json=true. Doubles in shortest round-trip form; not-a-number becomes null.
void print_json(const Settings& settings, const nlohmann::ordered_json& document);
/// Writes {"error": {exit_code, kind, message}} to stdout, unless a document is there already. Never throws.
void print_json_error(const Error& error) noexcept;
/// {"type": "error", exit_code, kind, message}: the last line of stderr with progress=json.
nlohmann::ordered_json error_event(const Error& error);
/// The document indented, with a line feed at its end; bytes that are not UTF-8 (file names) become U+FFFD.
std::string json_text(const nlohmann::ordered_json& document);
/// The same on one line, without its end.
std::string json_line(const nlohmann::ordered_json& document);

}  // namespace rtdetr
