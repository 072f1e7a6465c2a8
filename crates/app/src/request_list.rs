//! Looking at requests and receipts.

use cohold_api::{Page, PageQuery, RequestView};
use cohold_model::RequestId;
use cohold_model::receipt::Receipt;

use crate::account_list::{cursor, limit, page};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::view::request_view;

impl Coordinator {
    /// One request.
    pub async fn request_show(&self, request: RequestId) -> Result<RequestView, Error> {
        let row = self.looked(|store| store.request_show(request))?;
        row.map(request_view).ok_or(Error::RequestUnknown(request))
    }

    /// Requests, newest first.
    pub async fn request_list(&self, query: PageQuery) -> Result<Page<RequestView>, Error> {
        let (limit, before) = (limit(&query)?, cursor::<u64>(&query)?);
        let rows = self.stored(move |store| store.request_list(query.account, before, limit)).await?;
        let next = rows.last().map(|row| row.number.to_string());
        let items = rows.into_iter().map(request_view).collect();
        Ok(page(items, limit, |_| next.clone().unwrap_or_default()))
    }

    /// The ledger, oldest first.
    pub async fn receipt_list(&self, query: PageQuery) -> Result<Page<Receipt>, Error> {
        let (limit, after) = (limit(&query)?, cursor::<u64>(&query)?);
        let receipts =
            self.stored(move |store| store.receipt_list(query.account, after.unwrap_or(0), limit)).await?;
        Ok(page(receipts, limit, |receipt| receipt.number.to_string()))
    }
}
