// The little of XML that AWS answers with: elements and text. Everything else that XML could be (document types,
// entities of one's own, processing instructions, CDATA, text around the root) is refused, since answers are evidence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::aws {

struct XmlElement {
  std::string name;
  std::string space;  // the default namespace that it was declared in; empty: none
  std::string text;   // what stands directly in it; white space alone between children is not kept
  std::vector<XmlElement> children;

  // The only child of that name. Invalid: there is none, or more than one.
  Result<const XmlElement*> child(std::string_view child_name) const;
  const XmlElement* find(std::string_view child_name) const;  // the first; null: there is none
  // The text of the only such child, which has no children of its own.
  Result<std::string> text_of(std::string_view child_name) const;
};

struct XmlLimits {
  std::size_t bytes = 256UL << 10;
  std::size_t elements = 10'000;
  std::size_t depth = 24;
};

Result<XmlElement> parse_xml(std::string_view document, const XmlLimits& limits = {});

std::string xml_escape(std::string_view text);

}  // namespace mesh::aws
