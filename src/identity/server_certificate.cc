#include "identity/server_certificate.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

#include "identity/x509.h"

namespace mesh {
namespace {

using GeneralNames = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

}  // namespace

Result<ServerNames> server_names_of(const std::string& certificate_pem) {
  MESH_TRY(const auto certificates, read_certificates(certificate_pem));
  ServerNames names;
  const GeneralNames list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificates.front().get(), NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) {
      names.dns_names.push_back(text_of(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const std::string bytes = text_of(name->d.iPAddress);
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
      if ((bytes.size() == 4 || bytes.size() == 16) &&
          inet_ntop(family, bytes.data(), text.data(), text.size()) != nullptr) {
        names.addresses.emplace_back(text.data());
      }
    }
  }
  return names;
}

Result<bool> is_certificate_for(const std::string& certificate_pem, const std::string& host) {
  MESH_TRY(const auto certificates, read_certificates(certificate_pem));
  X509* certificate = certificates.front().get();
  if (X509_check_ip_asc(certificate, host.c_str(), 0) == 1) return true;
  // The subject's common name counts for nobody any more.
  return X509_check_host(certificate, host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
}

Result<bool> may_be_authority(const std::string& certificate_pem) {
  MESH_TRY(const auto certificates, read_certificates(certificate_pem));
  X509* certificate = certificates.front().get();
  const std::unique_ptr<BASIC_CONSTRAINTS, decltype(&BASIC_CONSTRAINTS_free)> constraints(
      static_cast<BASIC_CONSTRAINTS*>(X509_get_ext_d2i(certificate, NID_basic_constraints, nullptr, nullptr)),
      BASIC_CONSTRAINTS_free);
  return !constraints || constraints->ca != 0;
}

}  // namespace mesh
