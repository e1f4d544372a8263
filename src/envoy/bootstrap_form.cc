#include "envoy/bootstrap_form.h"

#include <boost/json.hpp>

namespace mesh::envoy {
namespace {

constexpr char kSign = '\x01';
constexpr std::string_view kSignInJson = "\"\\u0001";  // as a text that begins with it is written
constexpr std::string_view kMetadataInJson = "{\"\\u0001m\":true}";

std::string in_json(std::string_view text) { return boost::json::serialize(boost::json::string(text)); }

}  // namespace

std::string place_of(BootstrapSlot slot) { return {kSign, static_cast<char>(slot)}; }
bool has_slot_sign(std::string_view text) { return text.find(kSign) != std::string_view::npos; }

BootstrapForm::BootstrapForm(std::string_view blank_file) {
  std::string_view rest = blank_file;
  for (auto at = rest.find(kSignInJson); at != std::string_view::npos; at = rest.find(kSignInJson)) {
    const auto slot = static_cast<BootstrapSlot>(rest[at + kSignInJson.size()]);
    std::size_t size = kSignInJson.size() + 2;  // with the letter and the quotation mark
    if (slot == BootstrapSlot::Metadata) {
      --at;
      size = kMetadataInJson.size();
    }
    parts_.emplace_back(rest.substr(0, at), slot);
    rest.remove_prefix(at + size);
  }
  end_ = rest;
}

std::string BootstrapForm::fill(const BootstrapSpec& spec, std::string_view metadata) const {
  std::string out;
  out.reserve(8192 + metadata.size());
  for (const auto& [before, slot] : parts_) {
    out += before;
    switch (slot) {
      case BootstrapSlot::Id: out += in_json(spec.proxy.node_id()); break;
      case BootstrapSlot::Service: out += in_json(spec.service); break;
      case BootstrapSlot::Metadata: out += metadata; break;
      case BootstrapSlot::Token: out += in_json(spec.token.reveal()); break;
      case BootstrapSlot::TokenPath: out += in_json(spec.token_path); break;
      case BootstrapSlot::AdminSocket: out += in_json(spec.admin_socket); break;
      case BootstrapSlot::LogSocket: out += in_json(spec.access_log_socket); break;
      case BootstrapSlot::DiscoverySocket: out += in_json(spec.discovery_socket); break;
    }
  }
  return out += end_;
}

}  // namespace mesh::envoy
