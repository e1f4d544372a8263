#include "aws/xml.h"

#include <algorithm>
#include <charconv>

namespace mesh::aws {
namespace {

Error broken(std::string what) { return invalid("xml", std::move(what)); }

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_space); }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':'; }

void add_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 63));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

bool is_character(unsigned code) {
  return code == 9 || code == 10 || code == 13 || (code >= 32 && code < 0xD800) || (code >= 0xE000 && code <= 0xFFFD) ||
         (code >= 0x10000 && code <= 0x10FFFF);
}

class Reader {
 public:
  Reader(std::string_view document, const XmlLimits& limits) : rest_(document), limits_(limits) {}

  Result<XmlElement> document() {
    if (rest_.starts_with("<?xml ")) {
      const auto end = rest_.find("?>");
      if (end == std::string_view::npos || rest_.substr(0, end).find('<', 1) != std::string_view::npos)
        return broken("has a broken declaration");
      rest_.remove_prefix(end + 2);
    }
    skip_space();
    XmlElement root;
    MESH_RETURN_IF_ERROR(element(root, {}, 1));
    skip_space();
    if (!rest_.empty()) return broken("goes on behind its root");
    return root;
  }

 private:
  void skip_space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  Result<std::string> name() {
    std::size_t size = 0;
    while (size < rest_.size() && (size == 0 ? is_name_start(rest_[0]) : is_name_char(rest_[size]))) ++size;
    if (size == 0) return broken("has a tag without a name");
    std::string out(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return out;
  }

  Result<std::string> reference() {  // behind "&"
    const auto end = rest_.substr(0, 12).find(';');
    if (end == std::string_view::npos) return broken("has a broken reference");
    const auto what = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (what == "lt") return std::string("<");
    if (what == "gt") return std::string(">");
    if (what == "amp") return std::string("&");
    if (what == "quot") return std::string("\"");
    if (what == "apos") return std::string("'");
    if (!what.starts_with('#')) return broken("uses an entity");
    const bool is_hex = what.starts_with("#x");
    const auto digits = what.substr(is_hex ? 2 : 1);
    unsigned code = 0;
    const auto [stop, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), code, is_hex ? 16 : 10);
    if (problem != std::errc() || stop != digits.data() + digits.size() || !is_character(code))
      return broken("has a broken reference");
    std::string out;
    add_utf8(out, code);
    return out;
  }

  Status attributes(XmlElement& element) {
    std::vector<std::string> seen;
    for (;;) {
      const bool spaced = !rest_.empty() && is_space(rest_.front());
      skip_space();
      if (rest_.starts_with('>') || rest_.starts_with("/>")) return {};
      if (!spaced) return broken("has a broken tag");
      MESH_TRY(const std::string attribute, name());
      if (std::find(seen.begin(), seen.end(), attribute) != seen.end()) return broken("has an attribute twice");
      seen.push_back(attribute);
      if (!take("=") || rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) return broken("has a broken attribute");
      const char quote = rest_[0];
      const auto end = rest_.find(quote, 1);
      if (end == std::string_view::npos) return broken("has a broken attribute");
      const auto value = rest_.substr(1, end - 1);
      if (value.find_first_of("<&") != std::string_view::npos) return broken("has a broken attribute");
      if (attribute == "xmlns") element.space = std::string(value);
      rest_.remove_prefix(end + 1);
    }
  }

  Status element(XmlElement& out, const std::string& space, std::size_t depth) {
    if (depth > limits_.depth) return broken("is nested too deeply");
    if (++elements_ > limits_.elements) return broken("has too many elements");
    if (!take("<")) return broken("does not begin with an element");
    MESH_TRY(out.name, name());
    out.space = space;
    MESH_RETURN_IF_ERROR(attributes(out));
    if (take("/>")) return {};
    if (!take(">")) return broken("has a broken tag");
    return content(out, depth);
  }

  Status content(XmlElement& out, std::size_t depth) {
    for (;;) {
      if (rest_.empty()) return broken("ends in the middle");
      if (take("</")) {
        MESH_TRY(const std::string closed, name());
        skip_space();
        if (closed != out.name || !take(">")) return broken("closes an element that is not open");
        if (!out.children.empty()) {
          if (!is_blank(out.text)) return broken("mixes text and elements");
          out.text.clear();
        }
        return {};
      }
      if (rest_[0] == '<') {
        out.children.emplace_back();
        XmlElement made;  // not a reference into the list: it grows
        MESH_RETURN_IF_ERROR(element(made, out.space, depth + 1));
        out.children.back() = std::move(made);
      } else if (take("&")) {
        MESH_TRY(const std::string text, reference());
        out.text += text;
      } else {
        const auto end = std::min(rest_.find_first_of("<&"), rest_.size());
        const auto text = rest_.substr(0, end);
        for (const char c : text) {
          if (static_cast<unsigned char>(c) < 32 && !is_space(c)) return broken("has a control character");
        }
        out.text += text;
        rest_.remove_prefix(end);
      }
    }
  }

  std::string_view rest_;
  const XmlLimits limits_;
  std::size_t elements_ = 0;
};

}  // namespace

Result<const XmlElement*> XmlElement::child(std::string_view child_name) const {
  const XmlElement* found = nullptr;
  for (const XmlElement& element : children) {
    if (element.name != child_name) continue;
    if (found != nullptr) return broken("has " + std::string(child_name) + " more than once in " + name);
    found = &element;
  }
  if (found == nullptr) return broken("has no " + std::string(child_name) + " in " + name);
  return found;
}

const XmlElement* XmlElement::find(std::string_view child_name) const {
  for (const XmlElement& element : children) {
    if (element.name == child_name) return &element;
  }
  return nullptr;
}

Result<std::string> XmlElement::text_of(std::string_view child_name) const {
  MESH_TRY(const XmlElement* found, child(child_name));
  if (!found->children.empty()) return broken("has elements in " + std::string(child_name));
  return found->text;
}

Result<XmlElement> parse_xml(std::string_view document, const XmlLimits& limits) {
  if (document.size() > limits.bytes)
    return error(ErrorKind::TooLarge, "the XML is larger than " + std::to_string(limits.bytes) + " bytes");
  return Reader(document, limits).document();
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace mesh::aws
