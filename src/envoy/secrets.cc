#include "envoy/secrets.h"

#include <envoy/extensions/transport_sockets/tls/v3/secret.pb.h>
#include <google/protobuf/any.pb.h>
#include <xxhash.h>

#include <fmt/format.h>

namespace mesh::envoy {
namespace {

using TlsSecret = ::envoy::extensions::transport_sockets::tls::v3::Secret;

// Content that is public decides the version: a key belongs to its certificate.
NamedResource named(const TlsSecret& secret, const std::string& public_content) {
  google::protobuf::Any any;
  any.PackFrom(secret);
  return {secret.name(), fmt::format("{:016x}", XXH3_64bits(public_content.data(), public_content.size())),
          make_bytes(any.SerializeAsString())};
}

}  // namespace

NamedResource identity_secret(const std::string& name, const std::string& certificate_pem, const Secret& key_pem) {
  TlsSecret secret;
  secret.set_name(name);
  secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes(certificate_pem);
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(key_pem.reveal());
  return named(secret, certificate_pem);
}

NamedResource trust_secret(const std::string& name, const std::string& roots_pem) {
  TlsSecret secret;
  secret.set_name(name);
  secret.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(roots_pem);
  return named(secret, roots_pem);
}

}  // namespace mesh::envoy
