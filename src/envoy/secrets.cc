#include "envoy/secrets.h"

#include <envoy/extensions/transport_sockets/tls/v3/secret.pb.h>

#include "envoy/pack.h"

namespace mesh::envoy {

using TlsSecret = ::envoy::extensions::transport_sockets::tls::v3::Secret;

NamedResourcePtr identity_secret(const std::string& name, const std::string& certificate_pem, const Secret& key_pem) {
  TlsSecret secret;
  secret.set_name(name);
  secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes(certificate_pem);
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(key_pem.reveal());
  // A key belongs to its certificate, and is not to be told by a hash.
  return make_resource(name, secret, version_of(certificate_pem));
}

NamedResourcePtr trust_secret(const std::string& name, const std::string& roots_pem) {
  TlsSecret secret;
  secret.set_name(name);
  secret.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(roots_pem);
  return make_resource(name, secret);
}

}  // namespace mesh::envoy
