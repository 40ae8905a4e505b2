#include "core/plot/style.h"

namespace rtdetr::style {

std::string cut_to(std::string text, double width) {
  while (!text.empty() && Canvas::text_width(text, kTextHeight) > width) text.pop_back();
  return text;
}

}  // namespace rtdetr::style
