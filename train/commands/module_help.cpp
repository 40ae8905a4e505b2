#include "train/commands/module_help.h"

#include <cmath>

#include "core/base/text.h"
#include "models/graph/registry.h"
#include "train/report/output.h"

namespace rtdetr {

namespace {

std::string accepts(const ArgumentSpec& argument) {
  switch (argument.type) {
    case ArgumentType::kInteger:
      return "whole number";
    case ArgumentType::kNumber:
      return "number";
    case ArgumentType::kFlag:
      return "true, false";
    case ArgumentType::kText:
      return join(argument.choices, ", ");
    case ArgumentType::kIntegers:
      return "list of whole numbers";
    case ArgumentType::kActivation:
      return "activation";
  }
  return "";
}

std::string limits(const ArgumentSpec& argument) {
  if (!std::isfinite(argument.low) || !std::isfinite(argument.high)) return "";
  return " from " + format_double(argument.low) + " to " + format_double(argument.high);
}

std::string default_of(const ArgumentSpec& argument) {
  return argument.fallback_value ? to_text(*argument.fallback_value) : "needed";
}

}  // namespace

std::vector<std::string> module_names() { return registry().names(); }

std::string modules_overview() {
  TextTable table({{"module", TextTable::Align::kLeft}, {"", TextTable::Align::kLeft}});
  for (const std::string& name : module_names()) table.add({name, registry().find(name)->summary});
  return "modules of a model YAML's rows [from, repeats, module, args, path]\n\n" + table.text() +
         "\n'rtdetr help MODULE' lists a module's arguments\n";
}

std::string module_help(const std::string& name) {
  const BlockEntry& entry = *registry().find(name);
  TextTable table({{"argument", TextTable::Align::kLeft},
                   {"default", TextTable::Align::kLeft},
                   {"accepts", TextTable::Align::kLeft},
                   {"meaning", TextTable::Align::kLeft}});
  for (const ArgumentSpec& argument : entry.arguments)
    table.add({argument.name + (argument.by_name_only ? ":" : ""), default_of(argument),
               accepts(argument) + limits(argument), argument.meaning});
  std::string text = wrapped(name + ": " + entry.summary, 2) + "\n";
  if (!entry.arguments.empty())
    text += "\nby position in this order, or by name in a map at the end;\nthose with a colon only by name\n\n" +
            table.text();
  return text;
}

}  // namespace rtdetr
